// What the tests in a browser share. They are started by ../tests/web, which serves the page and its data:
// DEALMARK_URL is the server, CHROMIUM the browser; `ask('away')` has the other side do something to the server.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

export const address = process.env.DEALMARK_URL;
const flags = '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking';
const quiet = '--disable-component-update --disable-sync --disable-dev-shm-usage';
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: `${flags} ${quiet}`.split(' '),
});
after(() => browser.close());

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the side that serves do something, and waits until it is done. */
export async function ask(what) {
  process.stdout.write(`@${what}\n`);
  await answers.next();
}
after(() => process.stdin.destroy());

/** A page of its own that must not complain, leave the server, or send a text. `expected`: complaints that are meant. */
export async function open(path = '/', { width = 1280, height = 800, theme = 'light', expected = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, acceptDownloads: true });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== address && url.protocol !== 'blob:') complaints.push(`a request to ${url.origin}`);
    if (url.pathname === '/graphql' && request.method() === 'GET')
      if (!/^sha256:[0-9a-f]{64}$/.test(url.searchParams.get('documentId') ?? '')) complaints.push(`no id: ${url}`);
    if (url.searchParams.has('query') || /"query"/.test(request.postData() ?? '')) complaints.push(`a text: ${url}`);
  });
  page.setDefaultTimeout(15_000);
  await page.goto(address + path);
  return {
    page,
    async close() {
      await context.close();
      assert.deepEqual(
        complaints.filter((each) => !expected.some((pattern) => pattern.test(each))),
        [],
      );
    },
  };
}

/** What axe finds against WCAG 2.2 AA and good practice, as lines. `rules`: by these alone. */
export const faults = (page, rules) => found(page, rules ? { runOnly: { type: 'rule', values: rules } } : {});

/**
 * What axe finds against WCAG while a field shows what it found. Base UI then hides all else from screen readers
 * (aria-hidden), whatever it is told, so that those who read by touch stay in the list; axe sees buttons in there. It is no
 * fault as long as nobody's focus can be there: see leavesTheList.
 */
export const faultsWithList = (page) =>
  found(page, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    rules: { 'aria-hidden-focus': { enabled: false } },
  });

/** Tab goes on from an open list, either way; the list is closed, and what has the focus is hidden from nobody. */
export async function leavesTheList(page) {
  const option = page.getByRole('option').first();
  const field = await page.evaluateHandle(() => document.activeElement);
  const hidden = () => page.evaluate(() => document.activeElement.closest('[aria-hidden="true"]')?.className);
  for (const key of ['Tab', 'Shift+Tab']) {
    await field.asElement().fill('8500');
    await option.waitFor();
    for (let step = 0; step < 3; step += 1) {
      await page.keyboard.press(key); // out of the page, and in again, too
      await page.waitForTimeout(50);
      assert.equal(await hidden(), undefined, `${key} leads to what is hidden`);
    }
    await option.waitFor({ state: 'hidden' });
  }
}

async function found(page, options) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((given) => globalThis.axe.run(document, given), options);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`),
  );
}

export const rows = (page) => page.getByRole('rowheader');
export const names = (page) => rows(page).allInnerTexts();

/** Until it holds: what is asked for again and again. */
export async function eventually(condition, message) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    if (await condition()) return;
    assert.ok(Date.now() < deadline, message);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
