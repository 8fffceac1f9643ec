import { describe, expect, test } from 'vitest';
import { cleanToken, tokenExpiry, looksLikeJwt } from './jwt';

const TOKEN = `e30.${btoa(JSON.stringify({ sub: 'me', exp: 1_700_000_000 })).replace(/=+$/, '')}.s-_g`;

describe('a pasted token', () => {
  test.each([TOKEN, ` ${TOKEN}\n`, `Bearer ${TOKEN}`, `Authorization: Bearer ${TOKEN}`, `"${TOKEN}"`])(
    'is cleaned of surrounding text: %s',
    (pasted) => expect(cleanToken(pasted)).toBe(TOKEN),
  );

  test('may contain line breaks', () => {
    expect(cleanToken(`${TOKEN.slice(0, 10)}\n${TOKEN.slice(10)}`)).toBe(TOKEN);
  });

  test.each(['', 'secret', 'a.b', 'a.b.c.d', 'é.b.c', 'a..c'])('with a wrong shape is rejected: %s', (text) => {
    expect(looksLikeJwt(text)).toBe(false);
  });

  test('has its expiry time read from its payload', () => {
    expect(looksLikeJwt(TOKEN)).toBe(true);
    expect(tokenExpiry(TOKEN)).toBe(1_700_000_000_000);
    expect(tokenExpiry('a.b.c')).toBeUndefined();
    expect(tokenExpiry(`e30.${btoa('{}')}.x`)).toBeUndefined();
  });
});
