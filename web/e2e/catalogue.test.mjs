import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { address, requestAction, waitUntil, axeViolations, expectNames, names, open, rows } from './setup.mjs';

const query = (page) => Object.fromEntries(new URL(page.url()).searchParams);
const expectCount = (page, text) => page.getByRole('status').filter({ hasText: text }).waitFor();

test('the catalogue shows the best value first and sends document ids only', async () => {
  const { page, close } = await open();
  await rows(page).first().waitFor();
  await expectCount(page, '60 CPUs');
  assert.equal((await names(page))[0], 'Intel Core i5-8500');
  assert.match(await page.title(), /Dealmark/);
  await close();
});

test('the search runs while typing, and its address reproduces it', async () => {
  const { page, close } = await open();
  await rows(page).first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('ryzen 5600');
  await expectCount(page, '1 of 60 CPUs');
  await expectNames(page, ['AMD Ryzen 5 5600G']);
  assert.deepEqual(query(page), { q: 'ryzen 5600' });
  await page.reload();
  await expectCount(page, '1 of 60 CPUs');
  assert.equal(await page.getByRole('searchbox', { name: 'Search CPUs by name' }).inputValue(), 'ryzen 5600');
  await close();
});

test('filters of every kind can be set, removed, and undone with the back button', async () => {
  const { page, close } = await open();
  await page.getByRole('checkbox', { name: 'AMD' }).check();
  await expectCount(page, '20 of 60');
  await page.getByRole('checkbox', { name: 'Only with listings' }).check();
  await expectCount(page, '1 of 60');
  assert.deepEqual(query(page), { maker: 'AMD', listings: 'yes' });
  await page.goBack();
  await expectCount(page, '20 of 60');
  await page.getByRole('textbox', { name: 'Cores from' }).fill('8');
  await expectCount(page, '10 of 60');
  assert.equal(query(page).cores, '8-');
  await page.getByRole('button', { name: 'Remove Cores from 8' }).click();
  await expectCount(page, '20 of 60');
  await page.getByRole('button', { name: 'Clear all' }).click();
  await expectCount(page, '60 CPUs');
  assert.deepEqual(query(page), {});
  await page.getByRole('slider', { name: 'Year to' }).focus();
  await page.keyboard.press('PageDown');
  await waitUntil(() => /^-20\d\d$/.test(query(page).year ?? ''), 'the slider sets the year');
  await close();
});

test('price filters accept cents and report a reversed range', async () => {
  const { page, close } = await open();
  const bound = (name) => page.getByRole('textbox', { name });
  await bound('Price from').pressSequentially('96.50', { delay: 30 });
  await waitUntil(() => query(page).price === '96.5-', 'the price is sent with its cents');
  await expectCount(page, '2 of 60');
  assert.equal(await bound('Price from').inputValue(), '96.50');
  await bound('Price to').pressSequentially('9', { delay: 30 });
  await page.getByRole('alert').filter({ hasText: 'The minimum is above the maximum' }).waitFor();
  assert.equal(query(page).price, '96.5-');
  await bound('Price to').pressSequentially('000', { delay: 30 });
  await waitUntil(() => query(page).price === '96.5-9000', 'the valid range is sent');
  await close();
});

test('old links with invalid values show the catalogue without them', async () => {
  const { page, close } = await open('/?rating=GREAT&cores=4.5-&tdp=99999999999-&price=9-2', {
    expected: [/status of 400/],
  });
  await expectCount(page, '60 CPUs');
  await page.goto(`${address}/?after=nowhere&page=3&maker=AMD`);
  await expectCount(page, '20 of 60');
  await page.getByText('1–20 of 20').waitFor();
  assert.deepEqual(query(page), { maker: 'AMD' });
  await close();
});

test('a new order scrolls to the top, and the back button restores the position', async () => {
  const { page, close } = await open('/?size=endless&sort=name');
  await rows(page).first().waitFor();
  const list = page.getByRole('region', { name: 'CPUs' });
  const top = () => list.evaluate((element) => element.scrollTop);
  await list.evaluate((element) => element.scrollTo(0, 1_000));
  await page.getByRole('columnheader').getByRole('button', { name: 'Cores' }).click();
  await waitUntil(async () => (await top()) === 0, 'the list is at the top');
  await page.goBack();
  await waitUntil(async () => (await top()) === 1_000, 'the position is restored');
  await page.getByRole('searchbox', { name: 'Search CPUs by name' }).fill('e');
  await waitUntil(async () => (await top()) === 0, 'search results start at the top');
  await list.evaluate((element) => element.scrollTo(0, 900));
  await waitUntil(async () => (await names(page)).length > 0, 'rows are rendered');
  await page.waitForTimeout(300); // the router saves the position with a delay
  await page.locator('[data-index="30"] a').click();
  await page.getByRole('heading', { name: 'Price history' }).waitFor();
  await page.goBack();
  await waitUntil(async () => (await top()) === 900, 'the position is restored');
  await close();
});

test('the list can be sorted by several columns', async () => {
  const { page, close } = await open('/?maker=Intel');
  const head = (name) => page.getByRole('columnheader').getByRole('button', { name });
  await head('Cores').click();
  await waitUntil(() => query(page).sort === '-cores', 'most cores first');
  await head('Name').click({ modifiers: ['Shift'] });
  await waitUntil(() => query(page).sort === '-cores,name', 'then by name');
  assert.equal(await page.getByRole('columnheader', { name: /Cores/ }).getAttribute('aria-sort'), 'descending');
  await waitUntil(async () => {
    const shown = (await names(page)).filter((name) => name.startsWith('Intel Xeon'));
    return shown.length > 5 && shown.join() === [...shown].sort().join();
  }, 'the rows are in this order');
  await page.getByRole('button', { name: 'Sort' }).click();
  await page.getByRole('button', { name: 'Remove sort key Cores' }).click();
  await waitUntil(() => query(page).sort === 'name', 'the sort key is removed');
  await close();
});

test('paging works in both directions, with other page sizes, and endlessly', async () => {
  const { page, close } = await open('/?size=25&sort=name');
  await rows(page).first().waitFor();
  const [first] = await names(page);
  await page.getByText('1–25 of 60').waitFor();
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.getByText('26–50 of 60').waitFor();
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.getByText('51–60 of 60').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Next page' }).isDisabled(), true);
  const { after } = query(page);
  await page.goto(`${address}/?size=25&sort=name&page=3&after=${encodeURIComponent(after)}`);
  await page.getByText('51–60 of 60').waitFor();
  await page.getByRole('button', { name: 'Previous page' }).click();
  await page.getByText('26–50 of 60').waitFor();
  await page.getByRole('button', { name: 'Previous page' }).click();
  await page.getByText('1–25 of 60').waitFor();
  await waitUntil(async () => (await names(page))[0] === first, 'the first page is shown again');
  await page.getByRole('combobox', { name: 'Rows' }).selectOption('endless');
  await page.getByText('1–60 of 60').waitFor();
  await page.getByRole('region', { name: 'CPUs' }).focus();
  await page.keyboard.press('End');
  await rows(page).filter({ hasText: 'Xeon E5-4700' }).waitFor();
  await close();
});

test('columns can be chosen, and the CSV export contains them', async () => {
  const { page, close } = await open('/?maker=AMD&sort=name');
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('checkbox', { name: 'Great price' }).uncheck();
  await page.getByRole('checkbox', { name: 'Socket' }).check();
  await page.keyboard.press('Escape');
  await page.getByRole('columnheader', { name: 'Socket' }).waitFor();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save all 20 as CSV' }).click(),
  ]);
  const lines = readFileSync(await download.path(), 'utf8')
    .trim()
    .split('\r\n');
  assert.equal(lines.length, 21);
  assert.match(lines[0], /^Name,Rating,Good price,"\$ per mark, multi-thread",/);
  assert.doesNotMatch(lines[0], /Great price/);
  assert.match(lines[1], /^AMD Ryzen 5 5600G,/);
  await close();
});

test('keyboard navigation leads from the list to a CPU and back', async () => {
  const { page, close } = await open('/?sort=name');
  await rows(page).first().waitFor();
  await page.getByRole('region', { name: 'CPUs' }).focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const second = (await names(page))[1];
  await waitUntil(async () => (await focused()) === second, 'arrow keys move through the rows');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: second }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.goBack();
  await rows(page).first().waitFor();
  assert.deepEqual(query(page), { sort: 'name' });
  await close();
});

test('cards and the list with detail can be selected as layouts', async () => {
  const { page, close } = await open();
  await page.getByRole('button', { name: 'Cards' }).click();
  await page.getByRole('link', { name: 'Intel Core i5-8500' }).waitFor();
  await page.getByRole('button', { name: 'List and detail' }).click();
  const detail = page.getByRole('region', { name: 'Selected CPU' });
  await detail.getByRole('heading', { name: 'Intel Core i5-8500' }).waitFor();
  await page
    .getByRole('link', { name: /^Intel Core i5-8500/ })
    .first()
    .focus();
  await page.keyboard.press('ArrowDown');
  await detail.getByRole('heading', { name: 'AMD Ryzen 5 5600G' }).waitFor();
  assert.deepEqual(query(page), { view: 'split', cpu: 'amd-ryzen-5-5600g' });
  await close();
});

test('a CPU has its own page, and an unknown address says so', async () => {
  const { page, close } = await open('/cpu/intel-core-i5-8500');
  await page.getByRole('heading', { level: 1, name: 'Intel Core i5-8500' }).waitFor();
  await page.getByText('From 6 active prices (medium confidence)').waitFor();
  await page.getByText('below good').first().waitFor();
  await page.goto(`${address}/cpu/no-such-cpu`);
  await page.getByText('CPU not found').waitFor();
  await page.goto(`${address}/no/such/page`);
  await page.getByText('Page not found').waitFor();
  await close();
});

test('no matches, server errors and stale data each show a message', async () => {
  const { page, close } = await open('/?q=zilog', { expected: [/status of 503/] }); // of /ready, see below
  await page.getByText('No CPU matches').waitFor();
  await page.getByRole('button', { name: 'Clear all filters' }).click();
  await expectCount(page, '60 CPUs');
  const list = (url) => url.pathname === '/graphql' && url.searchParams.get('variables')?.includes('orderBy');
  const refusal = { data: null, errors: [{ message: 'Ask for less.', extensions: { code: 'COST_LIMIT_EXCEEDED' } }] };
  await page.route(list, (route) => route.fulfill({ json: refusal }));
  await page.goto(`${address}/?q=i5`);
  await page.getByText('Ask for less.').waitFor();
  await page.unroute(list);
  await page.getByRole('button', { name: 'Try again' }).click();
  await rows(page).first().waitFor();
  await page.route('**/ready', (route) => route.fulfill({ status: 503 }));
  await page.route(list, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, headers: { ...response.headers(), 'x-cache': 'STALE' } });
  });
  await page.goto(`${address}/?q=xeon`);
  await page.getByText('Older data.').waitFor();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.getByText('Older data.').waitFor({ state: 'hidden' });
  await close();
});

test('the catalogue shows loaded data while the server is stopped, and recovers', async () => {
  const expected = [/ERR_CONNECTION_REFUSED|Failed to load resource|WebSocket|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/];
  const { page, close } = await open('/?sort=name', { expected });
  const heading = page.getByRole('heading', { level: 1, name: 'AMD Ryzen 5 5600G' });
  await page.getByRole('link', { name: 'AMD Ryzen 5 5600G' }).click();
  await heading.waitFor();
  await page.goBack();
  await rows(page).first().waitFor();
  await requestAction('stop-server');
  try {
    await page.getByText('The server does not respond.').waitFor();
    assert.equal((await names(page))[0], 'AMD Ryzen 5 5600G');
    await page.getByRole('link', { name: 'AMD Ryzen 5 5600G' }).click();
    await heading.waitFor();
    await page.goBack();
    await page.getByRole('searchbox', { name: 'Search CPUs by name' }).fill('xeon');
    // A list that was never loaded appears when the server is back.
    await page.getByText('Not loaded yet: the server does not respond').waitFor();
  } finally {
    await requestAction('start-server');
  }
  await page.getByText('The server does not respond.').waitFor({ state: 'hidden' });
  await expectCount(page, '39 of 60');
  await close();
});

test('changed figures appear without a reload', async () => {
  const { page, close } = await open('/?q=i5+8500');
  await page.getByRole('cell', { name: /^\$150\.00/ }).waitFor();
  // Wait until the subscription has received its first event.
  await page.waitForTimeout(500);
  await requestAction('change-price');
  await page.getByRole('cell', { name: /^\$151\.00/ }).waitFor();
  await close();
});

test('pages have no axe violations and no overflow', async () => {
  const paths = ['/', '/?view=grid&maker=AMD', '/?view=split', '/cpu/intel-core-i5-8500', '/?q=zilog'];
  // Themes differ in colours only.
  const looks = [
    { theme: 'light', width: 1280 },
    { theme: 'light', width: 320 },
    { theme: 'dark', width: 1280, rules: ['color-contrast'] },
  ];
  for (const { theme, width, rules } of looks) {
    const { page, close } = await open('/', { theme, width });
    for (const path of paths) {
      await page.goto(address + path);
      await page.locator('h1, h2').first().waitFor();
      await page
        .getByText(/Intel|AMD|No CPU/)
        .first()
        .waitFor();
      // The menu buttons are loaded later.
      if (path === '/') await page.getByRole('button', { name: 'Sort' }).waitFor();
      assert.deepEqual(await axeViolations(page, rules), [], `${theme} ${width} ${path}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${width} ${path} is ${wide} px too wide`);
    }
    await close();
  }
});

test('name, rating and price fit on the narrowest screen', async () => {
  const { page, close } = await open('/', { width: 320 });
  const price = page
    .getByRole('row')
    .filter({ hasText: 'i5-8500' })
    .getByRole('cell', { name: /^\$15\d/ });
  const { x, width } = await price.boundingBox();
  assert.ok(x + width <= 320, `the price ends at ${x + width}`);
  await close();
});

test('on a phone the filters are in a sheet, and popups are accessible', async () => {
  const { page, close } = await open('/', { width: 390, height: 740, theme: 'dark' });
  await page.getByRole('button', { name: 'Filters' }).click();
  await page.getByRole('dialog').getByRole('checkbox', { name: 'AMD' }).check();
  await page.getByRole('button', { name: 'Show 20 CPUs' }).waitFor();
  // During the transition its colours are blended.
  await page.waitForTimeout(400);
  assert.deepEqual(await axeViolations(page), []);
  await page.getByRole('button', { name: 'Show 20 CPUs' }).click();
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.waitForTimeout(400);
  assert.deepEqual(await axeViolations(page), []);
  await close();
});

test('the chosen theme applies from the first paint', async () => {
  const { page, close } = await open('/', { theme: 'light' });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole('button', { name: 'Dark theme' }).click();
  assert.notEqual(await ground(), light);
  await page.reload({ waitUntil: 'commit' });
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  await page.getByRole('button', { name: 'Light theme' }).click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), undefined);
  await close();
});
