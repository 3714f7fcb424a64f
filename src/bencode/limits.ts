// How large a value may be, for both directions, so that what was encoded can always be decoded.
import { constants } from "node:buffer";

/** Lists and maps within each other. Far below what a call stack takes, far above what people write. */
export const MAX_DEPTH = 500;

/** Decimal digits of an integer. */
export const MAX_DIGITS = 1_000_000;

/** UTF-8 bytes of a text: what certainly fits into one JavaScript string. */
export const MAX_TEXT_BYTES = constants.MAX_STRING_LENGTH;
