// What is told about a file before it is sent; all else is the server's to say.
export const MAX_UPLOAD_BYTES = 4 * 1024 * 1024; // bytes, the server's usual limit
const ACCEPTED_NAMES = /\.(csv|tsv|txt|json)$/i;

/** Why a file is not even sent, as a sentence; undefined when it is. */
export function uploadProblem(file: { name: string; size: number }): string | undefined {
  if (!ACCEPTED_NAMES.test(file.name))
    return `${file.name} is neither CSV nor JSON by its name: choose a .csv or .json file.`;
  if (file.size === 0) return `${file.name} is empty.`;
  if (file.size > MAX_UPLOAD_BYTES)
    return `${file.name} has ${(file.size / 1024 / 1024).toFixed(1)} MiB: at most 4 MiB are taken, so import it in parts.`;
  return undefined;
}
