// How long a task takes, from how long it took.

/** Of how many of its last successful executions the duration of a task is the median. */
export const DURATIONS_PER_TASK = 5;

/** Of an even number, the mean of the middle two. */
export function median(numbers: number[]): number {
  const sorted = numbers.sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
