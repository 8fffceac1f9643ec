// Helpers of the browser tests. ../tests/web runs them and serves the page with test data. DEALMARK_URL is the server,
// CHROMIUM the browser. `requestAction('stop-server')` runs an action on the Python side.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

export const address = process.env.DEALMARK_URL;
const flags = '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking';
const backgroundFlags = '--disable-component-update --disable-sync --disable-dev-shm-usage';
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: `${flags} ${backgroundFlags}`.split(' '),
});
after(() => browser.close());

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const replies = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Run an action on the Python side and wait until it is done. */
export async function requestAction(name) {
  process.stdout.write(`@${name}\n`);
  await replies.next();
}
after(() => process.stdin.destroy());

/**
 * Open a page in a new browser context. `close` fails if the page logged an error, sent a request to another host, or
 * sent the text of a document. `expected` are patterns of allowed errors.
 */
export async function open(path = '/', { width = 1280, height = 800, theme = 'light', expected = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, acceptDownloads: true });
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== address && url.protocol !== 'blob:') problems.push(`a request to ${url.origin}`);
    if (url.pathname === '/graphql' && request.method() === 'GET')
      if (!/^sha256:[0-9a-f]{64}$/.test(url.searchParams.get('documentId') ?? ''))
        problems.push(`no document id: ${url}`);
    if (url.searchParams.has('query') || /"query"/.test(request.postData() ?? ''))
      problems.push(`a document text: ${url}`);
  });
  page.setDefaultTimeout(15_000);
  await page.goto(address + path);
  return {
    page,
    async close() {
      await context.close();
      assert.deepEqual(
        problems.filter((item) => !expected.some((pattern) => pattern.test(item))),
        [],
      );
    },
  };
}

/** Return the violations of WCAG 2.2 AA and of best practices that axe finds, optionally of some rules only. */
export const axeViolations = (page, rules) => runAxe(page, rules ? { runOnly: { type: 'rule', values: rules } } : {});

/**
 * Return the WCAG violations that axe finds while a list of matches is open. Base UI then hides everything else from
 * screen readers (aria-hidden), so that touch users stay in the list, and axe reports the buttons in there. That is no
 * violation as long as the focus cannot reach them: see assertTabClosesList.
 */
export const axeViolationsWithOpenList = (page) =>
  runAxe(page, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    rules: { 'aria-hidden-focus': { enabled: false } },
  });

/** Assert that Tab and Shift+Tab close an open list, and that the focus is never in hidden content. */
export async function assertTabClosesList(page) {
  const option = page.getByRole('option').first();
  const field = await page.evaluateHandle(() => document.activeElement);
  const hiddenAncestor = () => page.evaluate(() => document.activeElement.closest('[aria-hidden="true"]')?.className);
  for (const key of ['Tab', 'Shift+Tab']) {
    await field.asElement().fill('8500');
    await option.waitFor();
    for (let step = 0; step < 3; step += 1) {
      await page.keyboard.press(key); // may also leave the page and enter it again
      await page.waitForTimeout(50);
      assert.equal(await hiddenAncestor(), undefined, `${key} moves the focus to hidden content`);
    }
    await option.waitFor({ state: 'hidden' });
  }
}

async function runAxe(page, options) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((runOptions) => globalThis.axe.run(document, runOptions), options);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`),
  );
}

export const rows = (page) => page.getByRole('rowheader');
export const names = (page) => rows(page).allInnerTexts();

/** Wait until the condition holds, for at most 10 s. */
export async function waitUntil(condition, message) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    if (await condition()) return;
    assert.ok(Date.now() < deadline, message);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Wait until the list shows these CPUs and no others. The number of CPUs may be shown earlier than the rows. */
export const expectNames = (page, expected) =>
  waitUntil(
    async () => JSON.stringify(await names(page)) === JSON.stringify(expected),
    `the list shows ${expected.join(', ')} only`,
  );
