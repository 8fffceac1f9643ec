import { whole } from '../lib/format';
import { IconButton } from '../ui/Button';
import type { Cpus } from './useCpus';
import { type Change, type Size, sizes, type View } from './viewState';
import forms from '../ui/forms.module.css';
import styles from './Pager.module.css';

/** Where in the list this is, and the ways from here. Cursors lead from page to page: rows that come and go move nothing. */
export function Pager({
  view,
  change,
  total,
  shown,
  pageInfo,
}: {
  view: View;
  change: Change;
  total: number;
  shown: number;
  pageInfo: Cpus['pageInfo'];
}) {
  const size = view.size === 'endless' ? shown : view.size;
  const from = view.size === 'endless' ? 1 : (view.page - 1) * size + 1;
  const go = (page: number, cursors: Partial<View>) =>
    change({ after: undefined, before: undefined, page, ...cursors }, { keepPage: true });
  return (
    <footer className={styles.pager}>
      <label className={styles.pageSize}>
        <span className="muted">Rows</span>
        <select
          className={forms.input}
          value={view.size}
          onChange={(event) => {
            const given = event.target.value;
            change({ size: given === 'endless' ? 'endless' : (Number(given) as Size) });
          }}
        >
          {sizes.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
          <option value="endless">Endless</option>
        </select>
      </label>
      <span className="muted number">
        {pageInfo ? `${whole(from)}–${whole(Math.min(total, from + shown - 1))} of ${whole(total)}` : '…'}
      </span>
      {view.size !== 'endless' && (
        <nav className={styles.buttons} aria-label="Pages of the list">
          <IconButton
            label="Previous page"
            icon="left"
            disabled={!pageInfo?.hasPreviousPage}
            onClick={() => {
              // The first page has no cursor, so that its address is that of the list.
              const cursor = view.page <= 2 ? undefined : (pageInfo?.startCursor ?? undefined);
              go(Math.max(1, view.page - 1), { before: cursor });
            }}
          />
          <IconButton
            label="Next page"
            icon="right"
            disabled={!pageInfo?.hasNextPage}
            onClick={() => go(view.page + 1, { after: pageInfo?.endCursor ?? undefined })}
          />
        </nav>
      )}
    </footer>
  );
}
