// Two bytes of a hostile file (`de`) can cost a hundred of memory. This counts what a file's values will take, roughly and
// rather too high, and refuses the file before the process runs out of heap, which nothing could catch.
import { getHeapStatistics } from "node:v8";
import { notBencode } from "./not-bencode.ts";

const CONTAINER_BYTES = 128;
const MAP_ENTRY_BYTES = 56;
const LIST_ITEM_BYTES = 16;
const STRING_BYTES = 24;
const BYTE_ARRAY_BYTES = 240;

/** Where values of files this small go, there is always room. */
const SMALL_FILE_BYTES = 1024 * 1024;

export class MemoryBudget {
  #left: number;

  constructor(fileBytes: number) {
    this.#left = fileBytes <= SMALL_FILE_BYTES ? Number.POSITIVE_INFINITY : roomBytes();
  }

  container(offset: number): void {
    this.#take(CONTAINER_BYTES, offset);
  }

  mapEntry(offset: number): void {
    this.#take(MAP_ENTRY_BYTES, offset);
  }

  listItem(offset: number): void {
    this.#take(LIST_ITEM_BYTES, offset);
  }

  /** A string or a large integer of so many bytes. */
  string(length: number, offset: number): void {
    this.#take(STRING_BYTES + length, offset);
  }

  /** A Uint8Array of so many bytes. */
  byteArray(length: number, offset: number): void {
    this.#take(BYTE_ARRAY_BYTES + length, offset);
  }

  #take(bytes: number, offset: number): void {
    this.#left -= bytes;
    if (this.#left < 0) {
      throw notBencode(
        "its values would take more memory than this process may use",
        offset,
        "Allow more with node --max-old-space-size.",
      );
    }
  }
}

/** Three quarters of the heap this process may still take. */
function roomBytes(): number {
  const { heap_size_limit, used_heap_size } = getHeapStatistics();
  return (heap_size_limit - used_heap_size) * 0.75;
}
