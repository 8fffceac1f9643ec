// Checks of a file before its upload. The server checks everything else.
export const MAX_UPLOAD_BYTES = 4 * 1024 * 1024; // default limit of the server
const ACCEPTED_NAMES = /\.(csv|tsv|txt|json)$/i;

/** Return why a file cannot be uploaded, as a sentence, or undefined if it can. */
export function uploadProblem(file: { name: string; size: number }): string | undefined {
  if (!ACCEPTED_NAMES.test(file.name)) return `${file.name} is neither CSV nor JSON: choose a .csv or .json file.`;
  if (file.size === 0) return `${file.name} is empty.`;
  if (file.size > MAX_UPLOAD_BYTES)
    return `${file.name} has ${(file.size / 1024 / 1024).toFixed(1)} MiB; the limit is 4 MiB. Import it in parts.`;
  return undefined;
}
