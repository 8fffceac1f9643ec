import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  address,
  requestAction,
  waitUntil,
  axeViolations,
  axeViolationsWithOpenList,
  assertTabClosesList,
  open,
} from './setup.mjs';

const { TEST_ADMIN, TEST_OPERATOR, TEST_VIEWER, TEST_EXPIRED, TEST_SHOP } = process.env;
const rejected = { expected: [/status of 401/] }; // browsers log failed requests
const link = (page, name) => page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name });
const region = (page, name) => page.getByRole('region', { name });

async function submitToken(page, token) {
  await page.getByRole('textbox', { name: 'Token' }).fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Open an admin page and sign in. */
async function openSignedIn(path = '/admin', { token = TEST_ADMIN, ...options } = {}) {
  const opened = await open(path, options);
  await submitToken(opened.page, token);
  await link(opened.page, 'Figures').waitFor();
  return opened;
}

test('sign-in rejects an invalid token and shows the reason', async () => {
  const { page, close } = await open('/admin/jobs', rejected);
  const showsError = (text) => page.getByRole('alert').filter({ hasText: text }).waitFor();
  await submitToken(page, '');
  await showsError('Paste a token first.');
  await submitToken(page, 'secret');
  await showsError('This is not a token');
  await submitToken(page, `${TEST_ADMIN.slice(0, -6)}AAAAAA`);
  await showsError('Signature verification failed');
  await submitToken(page, TEST_EXPIRED);
  await showsError('The token has expired: get a new one.');
  await submitToken(page, TEST_VIEWER);
  await showsError('its role is viewer');
  assert.equal(await page.evaluate(() => sessionStorage.getItem('dealmark.token')), null);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  await close();
});

test('sign-in opens the requested page, survives a reload, and sign-out deletes the token', async () => {
  const { page, close } = await open('/admin/jobs');
  const sent = [];
  page.on('request', (request) => sent.push(request));
  await submitToken(page, `Bearer ${TEST_ADMIN}\n`);
  await page.getByRole('heading', { name: 'Jobs' }).waitFor();
  await page.getByText('admin@example.com').waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Jobs' }).waitFor();
  await page.getByRole('link', { name: 'Catalogue', exact: true }).click();
  await page.getByRole('rowheader', { name: 'Intel Core i5-8500' }).waitFor(); // the jobs table has row headers as well
  const requests = sent.filter((request) => new URL(request.url()).pathname === '/graphql');
  const withToken = requests.filter((request) => request.headers().authorization !== undefined);
  const idOf = (request) => new URL(request.url()).searchParams.get('documentId');
  const withoutToken = requests.filter((request) => !withToken.includes(request)).map(idOf);
  assert.ok(withToken.length > 0 && withoutToken.length > 0);
  assert.ok(!withToken.some((request) => withoutToken.includes(idOf(request))));
  await page.goBack();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('textbox', { name: 'Token' }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem('dealmark.token')), null);
  await close();
});

test('an expired token leads back to the sign-in form with the reason', async () => {
  const { page, close } = await open('/admin', rejected);
  await page.evaluate((token) => sessionStorage.setItem('dealmark.token', token), TEST_EXPIRED);
  await page.reload();
  await page.getByRole('alert').filter({ hasText: 'The token has expired' }).waitFor();
  await close();
});

test('an operator can read and import, and sees a note in place of admin actions', async () => {
  const { page, close } = await openSignedIn('/admin', { token: TEST_OPERATOR });
  await page.getByText('Only admins can do this').first().waitFor();
  assert.equal(await page.getByRole('button', { name: /Recalculate|Verify/ }).count(), 0);
  await link(page, 'Rules').click();
  await page.getByText('There are no rules').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Add a rule' }).count(), 0);
  await link(page, 'Imports').click();
  await page.getByRole('button', { name: 'Import page' }).waitFor();
  await close();
});

test('recalculation of all CPUs shows its progress live', async () => {
  const { page, close } = await openSignedIn();
  const panel = region(page, 'Recalculate');
  await panel.getByRole('button', { name: 'Recalculate all' }).click();
  await panel.getByText('Queued').waitFor();
  await panel.getByRole('progressbar', { name: 'Recalculation' }).waitFor();
  await requestAction('run-jobs');
  await panel.getByText('60 of 60 CPUs recalculated').waitFor();
  await panel.getByText('Succeeded').waitFor();
  assert.equal(await panel.getByRole('progressbar').count(), 0);
  await close();
});

test('recalculation of selected CPUs works by keyboard', async () => {
  const { page, close } = await openSignedIn();
  const panel = region(page, 'Recalculate');
  await panel.getByRole('radio', { name: 'Selected CPUs' }).check();
  await panel.getByText('Select at least one CPU.').waitFor();
  const input = panel.getByRole('combobox', { name: 'CPUs to recalculate' });
  for (const [typed, name] of [
    ['8500', 'Intel Core i5-8500'],
    ['5600g', 'AMD Ryzen 5 5600G'],
  ]) {
    await input.fill(typed);
    await page.getByRole('option', { name }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
  }
  await page.keyboard.press('Escape');
  await panel.getByRole('button', { name: 'Remove AMD Ryzen 5 5600G' }).click();
  await panel.getByRole('button', { name: 'Recalculate 1 CPU' }).click();
  await panel.getByText('Queued').waitFor();
  await requestAction('run-jobs');
  await panel.getByText('1 of 1 CPUs recalculated').waitFor();
  await close();
});

test('verification lists the differences and repairs them', async () => {
  const { page, close } = await openSignedIn();
  const panel = region(page, 'Verify');
  await panel.getByText('No verification yet.').waitFor();
  await requestAction('corrupt-figure');
  await panel.getByRole('button', { name: 'Verify' }).click();
  await panel.getByText('Queued').waitFor();
  await requestAction('run-jobs');
  await panel.getByText('60 of 61 items were correct').waitFor();
  await panel.getByText('98.36 %').waitFor();
  const row = panel.getByRole('row', { name: /intel-core-i5-8500/ });
  assert.match(await row.innerText(), /price_good/);
  await panel.getByRole('checkbox', { name: 'Repair differences' }).check();
  await panel.getByRole('button', { name: 'Verify and repair' }).click();
  await panel.getByText('Queued').waitFor();
  await requestAction('run-jobs');
  await panel.getByText('all others were repaired').waitFor();
  await panel.getByRole('button', { name: 'Verify and repair' }).click();
  await panel.getByText('Queued').waitFor();
  await requestAction('run-jobs');
  await panel.getByText('All 61 items were correct').waitFor();
  await panel.getByText('100 %').waitFor();
  await close();
});

test('an imported page becomes a listing of its CPU', async () => {
  const { page, close } = await openSignedIn('/admin/imports');
  await page.getByText('No imports yet').waitFor();
  await page.getByRole('button', { name: 'Import page' }).click();
  await page.getByText('Paste a URL first.').waitFor();
  await page.getByRole('textbox', { name: 'URL of the listing' }).fill(`${TEST_SHOP}/good`);
  await page.keyboard.press('Enter');
  const row = page.getByRole('list', { name: 'Pages of this import' }).getByRole('listitem').first();
  await row.getByText('Complete', { exact: true }).waitFor();
  await row.getByText('HP EliteDesk 800 G4 Mini').waitFor();
  await row.getByText('$123.00').waitFor();
  const address = page.url();
  await row.getByRole('link', { name: 'Intel Core i5-8500' }).click();
  await page.getByRole('heading', { level: 1, name: 'Intel Core i5-8500' }).waitFor();
  await page.getByText('HP EliteDesk 800 G4 Mini').first().waitFor();
  await page.goto(address);
  await row.getByText('$123.00').waitFor();
  await page.getByRole('link', { name: 'Imports' }).first().click();
  await page.getByRole('link', { name: `${TEST_SHOP}/good` }).waitFor();
  await close();
});

const file = (name, text) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });

test('an imported file shows the result of each row', async () => {
  const { page, close } = await openSignedIn('/admin/imports');
  const urls = ['good', 'other', 'empty', 'gone'].map((path) => `${TEST_SHOP}/${path}`);
  const dataTransfer = await page.evaluateHandle(
    (text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], 'urls.csv', { type: 'text/csv' }));
      return data;
    },
    ['url', ...urls, 'no url at all'].join('\n'),
  );
  const dropZone = page.getByText('Drop a file here');
  await dropZone.dispatchEvent('dragover', { dataTransfer });
  await dropZone.dispatchEvent('drop', { dataTransfer });
  await page.getByRole('heading', { name: 'urls.csv' }).waitFor();
  const rows = page.getByRole('list', { name: 'Pages of this import' }).locator('> li');
  const expectRow = async (index, ...texts) => {
    for (const text of texts) await rows.nth(index).getByText(text).first().waitFor();
  };
  await expectRow(0, 'Complete', 'HP EliteDesk');
  await expectRow(1, 'Complete', 'no CPU matched', 'The title contains no model number of the catalogue.');
  await expectRow(2, 'Failed', 'The page does not contain an offer.');
  await expectRow(3, 'Failed', 'answered with status 404');
  await expectRow(4, 'Failed', 'no url at all');
  const main = page.getByRole('main');
  assert.match(await main.innerText(), /Failed\s+3/);
  await close();
});

test('invalid files are rejected by the page or with the error of the server', async () => {
  const { page, close } = await openSignedIn('/admin/imports', { expected: [/status of 400/] });
  const panel = region(page, 'A file of URLs');
  const input = panel.locator('input[type=file]');
  const showsError = (text) => panel.getByRole('alert').filter({ hasText: text }).waitFor();
  await input.setInputFiles(file('urls.xlsx', 'x'));
  await showsError('urls.xlsx is neither CSV nor JSON');
  await input.setInputFiles(file('urls.csv', ''));
  await showsError('urls.csv is empty.');
  await input.setInputFiles(file('urls.csv', `url\n${'x'.repeat(5 * 1024 * 1024)}`));
  await showsError('urls.csv has 5.0 MiB');
  await input.setInputFiles(file('urls.csv', 'address\nhttp://a.example/'));
  await showsError(/url/);
  await input.setInputFiles(file('urls.json', '{"url": 1}'));
  await showsError('urls.json must be a JSON list of objects');
  assert.equal(new URL(page.url()).pathname, '/admin/imports');
  await close();
});

test('jobs are filtered by kind and status, and the filter is in the address', async () => {
  const { page, close } = await openSignedIn('/admin/jobs?kind=VERIFY_FIGURES');
  const rows = page.getByRole('rowheader');
  await rows.first().waitFor();
  assert.deepEqual(new Set(await rows.allInnerTexts()), new Set(['Verification']));
  await page.getByRole('combobox', { name: 'Kind' }).selectOption('Recalculation');
  await waitUntil(
    async () => new Set(await rows.allInnerTexts()).has('Recalculation'),
    'jobs of the other kind appear',
  );
  assert.match(page.url(), /kind=RECALCULATE_METRICS/);
  await page.getByRole('combobox', { name: 'Status' }).selectOption('Failed');
  await page.getByText('No job matches').waitFor();
  await page.getByRole('button', { name: 'All jobs' }).click();
  await waitUntil(async () => new Set(await rows.allInnerTexts()).size > 1, 'all jobs appear');
  await close();
});

test('documents are listed with clients and execution mode', async () => {
  const { page, close } = await openSignedIn('/admin/documents');
  const row = page.getByRole('row', { name: /^Documents sha256/ });
  assert.match(await row.innerText(), /Compiled/);
  assert.match(await row.innerText(), /web@/);
  await page.getByRole('searchbox').fill('admindatachanged');
  await page.getByRole('row', { name: /AdminDataChanged.*Compiled/ }).waitFor();
  assert.equal(await page.getByRole('rowheader').count(), 1);
  await page.getByRole('searchbox').fill('no such document');
  await page.getByText('No document matches').waitFor();
  await close();
});

test('a valuation rule can be added, changed and deleted', async () => {
  const { page, close } = await openSignedIn('/admin/rules', { expected: [/status of 400/] });
  await page.getByRole('button', { name: 'Add a rule' }).click();
  const dialog = page.getByRole('dialog');
  const value = dialog.getByRole('textbox', { name: 'Value, $' });
  const save = (name) => dialog.getByRole('button', { name }).click();
  await value.fill('much');
  await save('Add');
  await dialog.getByText('The value must be a number of dollars').waitFor();
  await value.fill('2.123456');
  await save('Add');
  await dialog.getByRole('alert').filter({ hasText: 'decimals' }).waitFor();
  await value.fill('2.50');
  await dialog.getByRole('textbox', { name: 'Kind' }).fill('DDR4');
  await dialog.getByRole('textbox', { name: 'Used' }).fill('0.8');
  assert.deepEqual(await axeViolations(page), []);
  await save('Add');
  const row = page.getByRole('row', { name: /Memory DDR4/ });
  assert.match(await row.innerText(), /\$2\.50 per GB\s+Used × 0\.8/);
  await page.getByRole('heading', { name: 'Revaluation of listings' }).waitFor();
  await requestAction('run-jobs');
  await page.getByText(/listings revalued/).waitFor();
  await page.getByRole('button', { name: /^Change Memory DDR4/ }).click();
  await value.fill('3');
  await save('Save');
  await row.getByText('$3.00').waitFor();
  await page.getByRole('button', { name: /^Delete Memory DDR4/ }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: /^Delete Memory DDR4/ }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('There are no rules').waitFor();
  await requestAction('run-jobs');
  await close();
});

test('administration shows loaded data while the server is stopped, and updates when it is back', async () => {
  const { page, close } = await openSignedIn('/admin', { expected: [/./] });
  const panel = region(page, 'Recalculate');
  await panel.getByText('recalculated').waitFor();
  await requestAction('stop-server');
  await page.getByText('The server does not respond.').waitFor();
  await panel.getByText('recalculated').waitFor();
  await panel.getByRole('button', { name: 'Recalculate all' }).click();
  await panel.getByRole('alert').filter({ hasText: 'The server did not respond.' }).waitFor();
  await requestAction('start-server');
  await page.getByText('The server does not respond.').waitFor({ state: 'detached' });
  await panel.getByRole('button', { name: 'Recalculate all' }).click();
  await panel.getByText('Queued').waitFor();
  await requestAction('run-jobs');
  await panel.getByText('60 of 60 CPUs recalculated').waitFor();
  await close();
});

for (const theme of ['light', 'dark']) {
  test(`admin pages have no axe violations and no overflow, ${theme}`, async () => {
    const { page, close } = await open('/admin', { theme, width: 320, height: 640 });
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.deepEqual(await axeViolations(page), []);
    await submitToken(page, TEST_ADMIN);
    for (const [name, heading] of [
      ['Figures', 'Recalculate'],
      ['Imports', 'Recent imports'],
      ['Jobs', 'Jobs'],
      ['Documents', 'Documents'],
      ['Rules', 'Valuation rules'],
    ]) {
      await link(page, name).click();
      await page.getByRole('heading', { name: heading, exact: true }).waitFor();
      await page.getByText(/^Loading /).waitFor({ state: 'detached' });
      assert.deepEqual(await axeViolations(page), [], name);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`);
    }
    await page.goto(`${address}/admin/imports`);
    await page.getByRole('link', { name: 'urls.csv' }).click();
    await page.getByRole('list', { name: 'Pages of this import' }).waitFor();
    assert.deepEqual(await axeViolations(page), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name: 'Figures' }).click();
    await page.getByRole('radio', { name: 'Selected CPUs' }).check();
    await page.getByRole('combobox').waitFor();
    assert.deepEqual(await axeViolations(page), []);
    await page.getByRole('combobox').fill('8500');
    await page.getByRole('option', { name: /8500/ }).waitFor();
    await page.waitForTimeout(200); // during the transition its colours are blended
    assert.deepEqual(await axeViolationsWithOpenList(page), []);
    await assertTabClosesList(page);
    await close();
  });
}
