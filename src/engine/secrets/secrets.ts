// The secrets of one run: fetched once each when a step first needs them, held in memory only, and kept out of all that is told.
import { Needles } from "../../store/needles.ts";
import { formsOf, SHORTEST_BYTES } from "./forms.ts";
import { Mask, maskText } from "./mask.ts";
import { type SecretReference, type SecretReferences, secretValue } from "./references.ts";

/** What one step has of them. */
export interface StepSecrets {
  /** Variable → value. */
  readonly env: Readonly<Record<string, string>>;
  /** The forms to be looked for, and whose each is. */
  readonly forms: readonly { readonly variable: string; readonly form: string }[];
  /** Variables whose values are too short to be looked for. */
  readonly short: readonly string[];
  /** Filters what the step prints; undefined where there is nothing to look for. */
  readonly mask: (() => Mask) | undefined;
}

export const NO_SECRETS: StepSecrets = { env: {}, forms: [], short: [], mask: undefined };

export class Secrets {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #values = new Map<string, Promise<string>>();
  readonly #forms = new Set<string>();
  #needles = new Needles([]);

  /** `env`: the caller's, in which references are looked up. */
  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** Fetches what a step needs. Throws `secret-missing`. */
  async of(references: SecretReferences): Promise<StepSecrets> {
    const all = Object.entries(references);
    if (all.length === 0) return NO_SECRETS;
    const env: Record<string, string> = {};
    const forms: { variable: string; form: string }[] = [];
    const short: string[] = [];
    for (const [variable, reference] of all) {
      const value = await this.#value(variable, reference);
      env[variable] = value;
      const found = formsOf(value);
      if (Buffer.byteLength(value) < SHORTEST_BYTES) short.push(variable);
      for (const form of found) forms.push({ variable, form });
    }
    this.#know(forms.map(({ form }) => form));
    const needles = new Needles(forms.map(({ form }) => form));
    return { env, forms, short, mask: forms.length === 0 ? undefined : () => new Mask(needles) };
  }

  /** A step's secrets, and those of these variables, which it is given by the store of its output. */
  besides(
    secrets: StepSecrets,
    {
      env,
      secrets: variables,
    }: { readonly env: Readonly<Record<string, string>>; readonly secrets: readonly string[] },
  ): StepSecrets {
    if (variables.length === 0) return secrets;
    const own = variables.flatMap((variable) => formsOf(env[variable]!).map((form) => ({ variable, form })));
    const forms = [...secrets.forms, ...own];
    this.#know(forms.map(({ form }) => form));
    const needles = new Needles(forms.map(({ form }) => form));
    return { ...secrets, forms, mask: () => new Mask(needles) };
  }

  /** Text without any secret that was fetched so far. */
  masked(text: string): string {
    return maskText(this.#needles, text);
  }

  /** The same of all text in a value of plain data. */
  maskedIn<T>(value: T): T {
    if (this.#forms.size === 0) return value;
    const walk = (inner: unknown): unknown => {
      if (typeof inner === "string") return this.masked(inner);
      if (Array.isArray(inner)) return inner.map(walk);
      if (typeof inner !== "object" || inner === null || Object.getPrototypeOf(inner) !== Object.prototype)
        return inner;
      return Object.fromEntries(Object.entries(inner).map(([key, member]) => [key, walk(member)]));
    };
    return walk(value) as T;
  }

  /** A value that could not be had is asked for again by the next attempt. */
  #value(variable: string, reference: SecretReference): Promise<string> {
    const key = JSON.stringify(reference);
    const known = this.#values.get(key) ?? secretValue(variable, reference, this.#env);
    this.#values.set(key, known);
    known.catch(() => this.#values.delete(key));
    return known;
  }

  #know(forms: readonly string[]): void {
    const before = this.#forms.size;
    for (const form of forms) this.#forms.add(form);
    if (this.#forms.size > before) this.#needles = new Needles([...this.#forms]);
  }
}
