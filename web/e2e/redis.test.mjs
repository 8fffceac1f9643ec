import { test } from 'node:test';
import { requestAction, expectNames, open, rows } from './setup.mjs';

test('search, CPU page and live updates work without Redis', async () => {
  const { page, close } = await open('/?q=i5+8500');
  await page.getByRole('cell', { name: /^\$150\.00/ }).waitFor();
  await page.waitForTimeout(500);
  await requestAction('stop-redis');
  const search = page.getByRole('searchbox', { name: 'Search CPUs by name' });
  await search.fill('ryzen 5600');
  await rows(page).filter({ hasText: 'AMD Ryzen 5 5600G' }).waitFor();
  await expectNames(page, ['AMD Ryzen 5 5600G']);
  await page.getByRole('link', { name: 'AMD Ryzen 5 5600G' }).click();
  await page.getByRole('heading', { level: 1, name: 'AMD Ryzen 5 5600G' }).waitFor();
  await page.goBack();
  await search.fill('i5 8500');
  await page.getByRole('cell', { name: /^\$150\.00/ }).waitFor();
  await requestAction('change-price');
  await page.getByRole('cell', { name: /^\$151\.00/ }).waitFor();
  await close();
});
