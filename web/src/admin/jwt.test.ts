import { describe, expect, test } from 'vitest';
import { cleaned, expiry, looksLikeOne } from './jwt';

const TOKEN = `e30.${btoa(JSON.stringify({ sub: 'me', exp: 1_700_000_000 })).replace(/=+$/, '')}.s-_g`;

describe('a pasted token', () => {
  test.each([TOKEN, ` ${TOKEN}\n`, `Bearer ${TOKEN}`, `Authorization: Bearer ${TOKEN}`, `"${TOKEN}"`])(
    'is found in what comes along with it: %s',
    (pasted) => expect(cleaned(pasted)).toBe(TOKEN),
  );

  test('may be broken into lines', () => {
    expect(cleaned(`${TOKEN.slice(0, 10)}\n${TOKEN.slice(10)}`)).toBe(TOKEN);
  });

  test.each(['', 'secret', 'a.b', 'a.b.c.d', 'é.b.c', 'a..c'])('is no token: %s', (text) => {
    expect(looksLikeOne(text)).toBe(false);
  });

  test('tells until when it holds', () => {
    expect(looksLikeOne(TOKEN)).toBe(true);
    expect(expiry(TOKEN)).toBe(1_700_000_000_000);
    expect(expiry('a.b.c')).toBeUndefined();
    expect(expiry(`e30.${btoa('{}')}.x`)).toBeUndefined();
  });
});
