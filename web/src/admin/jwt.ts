// Checks of a token before it is sent. The server verifies it.

/** Remove characters that are often copied together with a token: spaces, line breaks, quotes, "Bearer". */
export const cleanToken = (pasted: string): string =>
  pasted
    .trim()
    .replace(/^authorization:\s*/i, '')
    .replace(/^bearer\s+/i, '')
    .replace(/^["']|["']$/g, '')
    .replace(/\s+/g, '');

/** Return whether a text has the three parts of a JWT, in characters that a header may contain. */
export const looksLikeJwt = (token: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token);

/** Return when a token expires, in ms since the epoch, or undefined if it has no expiry time. */
export function tokenExpiry(token: string): number | undefined {
  try {
    const part = (token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
    const { exp } = JSON.parse(atob(part)) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1_000 : undefined;
  } catch {
    return undefined;
  }
}
