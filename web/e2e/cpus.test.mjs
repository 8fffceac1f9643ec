// Tests of the CPU page, the comparison and the map.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, waitUntil, axeViolations, axeViolationsWithOpenList, assertTabClosesList, open } from './setup.mjs';

const CPU = '/cpu/intel-core-i5-8500';
const query = (page) => Object.fromEntries(new URL(page.url()).searchParams);
const path = (page) => new URL(page.url()).pathname;
const panel = (page, name) => page.getByRole('region', { name, exact: true });

test('the CPU page shows targets, listings with their difference, and safe external links', async () => {
  const { page, close } = await open(CPU);
  await page.getByRole('heading', { level: 1, name: 'Intel Core i5-8500' }).waitFor();
  assert.equal(await page.title(), 'Intel Core i5-8500 – Dealmark');
  await panel(page, 'What it should cost')
    .getByText(/^From 6 active prices \(medium confidence\), computed (just now|\d+ minutes? ago)\.$/)
    .waitFor();
  await panel(page, 'Value')
    .getByText(/\$0\.0158 per multi-thread mark: the best value of all CPUs on offer/)
    .waitFor();
  const offers = panel(page, 'Cheapest listings').getByRole('listitem');
  assert.equal(await offers.count(), 6);
  assert.match(await offers.first().innerText(), /Used\s+test[\s\S]*\$100\.00[\s\S]*−\$50\.00 \(−33 %\)\s+below good/);
  assert.match(await offers.last().innerText(), /\+\$50\.00 \(\+33 %\)\s+above good/);
  const out = offers.first().getByRole('link');
  assert.deepEqual((await out.getAttribute('rel')).split(' ').sort(), ['nofollow', 'noopener', 'noreferrer']);
  await close();
});

test('charts are readable as a summary, by keyboard, and as a table', async () => {
  const { page, close } = await open(CPU);
  await page.getByRole('img', { name: /^6 active prices from \$100\.00 to \$200\.00; most/ }).waitFor();
  await page
    .getByRole('img', { name: /^In the last 90 days the lowest price went from \$95\.00 to \$\d+\.00/ })
    .waitFor();
  const lows = panel(page, 'Price history').locator('dl');
  assert.match(
    await lows.innerText(),
    /Lowest now\s+\$100\.00[\s\S]*90-day low\s+\$90\.00[\s\S]*All-time low\s+\$80\.00/,
  );

  const days = page.getByRole('slider', { name: 'Days' });
  await days.focus();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  assert.match(await days.getAttribute('aria-valuetext'), /^\d+ \w+ \d{4}: lowest \$\d+\.\d\d, mean/);
  assert.match(await page.getByTestId('tooltip').innerText(), /Lowest/);
  await page.keyboard.press('Escape');
  assert.equal(await page.getByTestId('tooltip').count(), 0);

  await page.getByRole('button', { name: 'All', exact: true }).click();
  await page.getByRole('img', { name: /^In all time .* All-time low: \$80\.00/ }).waitFor();
  await panel(page, 'Price history').getByText('Show as a table').click();
  await page.getByRole('columnheader', { name: 'Week' }).waitFor();
  await close();
});

test('the back button returns from a similar CPU and to the same list', async () => {
  const { page, close } = await open('/?q=i5');
  await page.getByRole('link', { name: 'Intel Core i5-8500' }).click();
  await page.getByRole('heading', { level: 1, name: 'Intel Core i5-8500' }).waitFor();
  await panel(page, 'Similar CPUs').nth(0).getByRole('rowheader').nth(1).getByRole('link').click();
  await waitUntil(() => path(page) !== CPU, 'another CPU is shown');
  await page.goBack();
  await page.getByRole('heading', { level: 1, name: 'Intel Core i5-8500' }).waitFor();
  await page.goBack();
  await page.getByRole('status').filter({ hasText: '1 of 60 CPUs' }).waitFor();
  await close();
});

test('missing data has a message: unknown CPU, no listings, no marks, no history', async () => {
  const { page, close } = await open('/cpu/zilog-z80');
  await page.getByRole('heading', { name: 'CPU not found' }).waitFor();
  await page.getByRole('link', { name: 'Search the catalogue' }).click();
  await waitUntil(() => query(page).q === 'zilog z80', 'the catalogue is searched');
  await page.goto(`${address}/cpu/intel-xeon-e5-0900`);
  for (const message of [
    /^Not enough prices\. It has no active price/,
    /^No listings now\. New listings appear here/,
    /^No prices yet/,
    /^No active prices/,
    /^Not measured$/,
    /^No value: it needs a multi-thread mark and an active price/,
  ])
    await page.getByText(message).first().waitFor();
  await close();
});

test('the layout stays stable while a CPU loads', async () => {
  const { page, close } = await open(CPU);
  await page.getByRole('img', { name: /active prices/ }).waitFor();
  await page.getByRole('img', { name: /lowest price went/ }).waitFor();
  const shift = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const observer = new PerformanceObserver((list) =>
          resolve(list.getEntries().reduce((sum, entry) => sum + entry.value, 0)),
        );
        observer.observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => resolve(0), 500);
      }),
  );
  assert.ok(shift < 0.1, `cumulative layout shift ${shift}`);
  await close();
});

test('CPUs can be added to a comparison, which marks the best values and is in the address', async () => {
  const { page, close } = await open('/compare');
  await page.getByRole('heading', { name: 'Choose two to five CPUs' }).waitFor();
  const field = page.getByRole('combobox', { name: 'Add a CPU' });
  await field.fill('5600');
  await page.getByRole('option', { name: /Ryzen 5 5600G/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('columnheader', { name: /Ryzen 5 5600G/ }).waitFor();
  assert.deepEqual(query(page), { cpus: 'amd-ryzen-5-5600g' });
  await field.fill('i5 8500');
  await page.getByRole('option', { name: /i5-8500/ }).click();
  await page.getByRole('columnheader', { name: /i5-8500/ }).waitFor();
  assert.equal(query(page).cpus, 'amd-ryzen-5-5600g,intel-core-i5-8500');

  const row = (name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name, exact: true }) });
  const cells = async (name) =>
    (await row(name).getByRole('cell').allInnerTexts()).map((item) => item.replace(/\s+/g, ' ').trim());
  assert.deepEqual(await cells('Multi-thread mark'), ['100', '9,500 best']);
  assert.deepEqual(await cells('Threads'), ['12 best', '6']);
  assert.deepEqual(await cells('Cores'), ['6', '6']);
  await page.getByRole('checkbox', { name: 'Only differences' }).check();
  assert.equal(await row('Cores').count(), 0);
  assert.equal(await row('Threads').count(), 1);

  await page.getByRole('button', { name: 'Remove AMD Ryzen 5 5600G' }).click();
  await waitUntil(() => query(page).cpus === 'intel-core-i5-8500', 'the CPU is removed from the address');
  await page.goBack();
  await page.getByRole('columnheader', { name: /5600G/ }).waitFor();
  await page.reload();
  await page.getByRole('columnheader', { name: /5600G/ }).waitFor();
  await close();
});

test('Enter adds a match of the current text, not of the previous one', async () => {
  const { page, close } = await open('/compare');
  const field = page.getByRole('combobox', { name: 'Add a CPU' });
  await field.fill('5600');
  await page.getByRole('option', { name: /5600G/ }).waitFor();
  await page.route('**/graphql?*', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    await route.continue();
  });
  await field.fill('8500');
  await page.keyboard.press('Enter');
  await page.getByRole('option', { name: /i5-8500/ }).waitFor();
  assert.deepEqual(query(page), {});
  await page.keyboard.press('Enter');
  await waitUntil(() => query(page).cpus === 'intel-core-i5-8500', 'the match is added');
  await close();
});

test('the list of matches is accessible, and the focus never enters hidden content', async () => {
  for (const theme of ['light', 'dark']) {
    const { page, close } = await open('/compare', { theme });
    await page.getByRole('combobox', { name: 'Add a CPU' }).fill('8500');
    await page.getByRole('option', { name: /8500/ }).first().waitFor();
    await page.waitForTimeout(200); // during the transition its colours are blended
    assert.deepEqual(await axeViolationsWithOpenList(page), []);
    await assertTabClosesList(page);
    await close();
  }
});

test('a comparison holds five CPUs, reports unknown ones, and suggests similar ones', async () => {
  const ryzens = [0, 1, 2, 3].map((number) => `amd-ryzen-7-${1000 + number}`);
  const { page, close } = await open(`/compare?cpus=nonsense,${ryzens.join(',')}`);
  await page.getByText('You can compare up to five CPUs').waitFor();
  await page.getByText('There is no CPU nonsense.').waitFor();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await waitUntil(() => query(page).cpus === ryzens.join(','), 'the unknown CPU is removed');
  await page
    .getByRole('button', { name: /^Add AMD Ryzen/ })
    .first()
    .click();
  await waitUntil(() => query(page).cpus.split(',').length === 5, 'a similar CPU is added');
  await close();
});

test('the map works by keyboard and by pointer, and its view is in the address', async () => {
  const { page, close } = await open('/map');
  const expectCount = (text) => page.getByRole('status').filter({ hasText: text }).waitFor();
  await expectCount('2 CPUs, 2 on the line');
  await page.getByRole('img', { name: /^2 CPUs by price and multi-thread mark/ }).waitFor();

  const onLine = page.getByRole('slider', { name: /CPUs on the line/ });
  await onLine.focus();
  await page.keyboard.press('End');
  assert.equal(await onLine.getAttribute('aria-valuetext'), 'Intel Core i5-8500: $150.00, multi-thread mark 9,500');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Intel Core i5-8500' }).waitFor();
  await page.goBack();

  await page.getByTestId('frontier-point').first().waitFor();
  const box = await page.getByTestId('frontier-point').first().boundingBox();
  await page.mouse.move(box.x + box.width / 2 + 8, box.y + box.height / 2);
  assert.match(await page.getByTestId('tooltip').innerText(), /^AMD Ryzen 5 5600G\s+Good price\s+\$96\.50/);
  await page.mouse.down();
  await page.mouse.up();
  await waitUntil(() => path(page) === '/cpu/amd-ryzen-5-5600g', 'the click opens the CPU');
  await page.goBack();

  await page.getByRole('button', { name: /^Intel/ }).click();
  await expectCount('1 of 2 CPUs, 1 on the line');
  await page.getByRole('button', { name: 'Single-thread' }).click();
  await page.getByRole('img', { name: /^1 CPUs by price and single-thread mark/ }).waitFor();
  assert.deepEqual(query(page), { mark: 'single', maker: 'Intel' });
  await page.reload();
  await expectCount('1 of 2 CPUs');
  await page.getByRole('button', { name: /^Fair/ }).click();
  await page.getByRole('button', { name: 'Show all' }).click();
  await expectCount('2 CPUs, 2 on the line');
  await page.getByRole('row').filter({ hasText: '5600G' }).getByRole('link').click();
  await waitUntil(() => path(page) === '/cpu/amd-ryzen-5-5600g', 'the table links to the CPU');
  await close();
});

test('pages have no axe violations and no overflow', async () => {
  const paths = {
    [CPU]: /lowest price went/,
    '/compare?cpus=intel-core-i5-8500,amd-ryzen-5-5600g,amd-ryzen-7-1000': undefined,
    '/map?cpu=intel-core-i5-8500': /CPUs by price/,
    '/cpu/intel-xeon-e5-0900': undefined,
  };
  const looks = [
    { theme: 'light', width: 1280 },
    { theme: 'light', width: 320 },
    { theme: 'dark', width: 1280, rules: ['color-contrast'] },
  ];
  for (const { theme, width, rules } of looks) {
    const { page, close } = await open('/map', { theme, width });
    for (const [where, picture] of Object.entries(paths)) {
      await page.goto(address + where);
      if (picture) await page.getByRole('img', { name: picture }).waitFor();
      else
        await page
          .getByText(/Intel (Core i5-8500|Xeon E5-0900)/)
          .first()
          .waitFor();
      assert.deepEqual(await axeViolations(page, rules), [], `${theme} ${width} ${where}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${width} ${where} is ${wide} px too wide`);
    }
    await close();
  }
});
