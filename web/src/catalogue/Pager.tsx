import { formatInteger } from '../lib/format';
import { IconButton } from '../ui/Button';
import type { CpuResults } from './useCpus';
import { type ChangeView, type PageSize, pageSizes, type CatalogueView } from './viewState';
import forms from '../ui/forms.module.css';
import styles from './Pager.module.css';

/**
 * Position in the list, page size, and page buttons. Pages use cursors, so inserted and deleted rows do not shift
 * them.
 */
export function Pager({
  view,
  change,
  total,
  rowCount,
  pageInfo,
}: {
  view: CatalogueView;
  change: ChangeView;
  total: number;
  rowCount: number;
  pageInfo: CpuResults['pageInfo'];
}) {
  const size = view.size === 'endless' ? rowCount : view.size;
  const from = view.size === 'endless' ? 1 : (view.page - 1) * size + 1;
  const goToPage = (page: number, cursors: Partial<CatalogueView>) =>
    change({ after: undefined, before: undefined, page, ...cursors }, { keepPage: true });
  return (
    <footer className={styles.pager}>
      <label className={styles.pageSize}>
        <span className="muted">Rows</span>
        <select
          className={forms.input}
          value={view.size}
          onChange={(event) => {
            const newValue = event.target.value;
            change({ size: newValue === 'endless' ? 'endless' : (Number(newValue) as PageSize) });
          }}
        >
          {pageSizes.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
          <option value="endless">Endless</option>
        </select>
      </label>
      <span className="muted number">
        {pageInfo
          ? `${formatInteger(from)}–${formatInteger(Math.min(total, from + rowCount - 1))} of ${formatInteger(total)}`
          : '…'}
      </span>
      {view.size !== 'endless' && (
        <nav className={styles.buttons} aria-label="Pages of the list">
          <IconButton
            label="Previous page"
            icon="left"
            disabled={!pageInfo?.hasPreviousPage}
            onClick={() => {
              // The first page has no cursor, so its address is that of the list.
              const cursor = view.page <= 2 ? undefined : (pageInfo?.startCursor ?? undefined);
              goToPage(Math.max(1, view.page - 1), { before: cursor });
            }}
          />
          <IconButton
            label="Next page"
            icon="right"
            disabled={!pageInfo?.hasNextPage}
            onClick={() => goToPage(view.page + 1, { after: pageInfo?.endCursor ?? undefined })}
          />
        </nav>
      )}
    </footer>
  );
}
