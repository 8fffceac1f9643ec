// What is told about a file before it is sent; all else is the server's to say.
export const LARGEST = 4 * 1024 * 1024; // bytes, the server's usual limit
const TYPES = /\.(csv|tsv|txt|json)$/i;

/** Why a file is not even sent, as a sentence; undefined when it is. */
export function problemOf(file: { name: string; size: number }): string | undefined {
  if (!TYPES.test(file.name)) return `${file.name} is neither CSV nor JSON by its name: choose a .csv or .json file.`;
  if (file.size === 0) return `${file.name} is empty.`;
  if (file.size > LARGEST)
    return `${file.name} has ${(file.size / 1024 / 1024).toFixed(1)} MiB: at most 4 MiB are taken, so import it in parts.`;
  return undefined;
}
