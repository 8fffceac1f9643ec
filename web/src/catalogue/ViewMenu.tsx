// Toolbar buttons for sort order, columns and export. Loaded after the list.
import { Popover } from '@base-ui/react/popover';
import { type ReactNode, useState } from 'react';
import { useClient } from 'urql';
import { formatInteger } from '../lib/format';
import { Button, IconButton } from '../ui/Button';
import { Icon, type IconName } from '../ui/Icon';
import { selectColumns, columns } from './columns';
import { fetchAllCpus, downloadFile, toCsv } from './csv';
import { type ChangeView, descendingFirst, MAX_SORT_KEYS, type SortName, type CatalogueView } from './viewState';
import toolbar from './toolbarButton.module.css';
import popups from '../ui/popup.module.css';
import forms from '../ui/forms.module.css';
import styles from './ViewMenu.module.css';

type Props = { view: CatalogueView; change: ChangeView };

export default function ViewMenu({ view, change, total }: Props & { total: number }) {
  return (
    <>
      <MenuButton label="Sort" icon="sort">
        <SortMenu view={view} change={change} />
      </MenuButton>
      {view.layout === 'list' && (
        <MenuButton label="Columns" icon="columns">
          <ColumnsMenu view={view} change={change} />
        </MenuButton>
      )}
      <ExportButton view={view} total={total} />
    </>
  );
}

function MenuButton({ label, icon, children }: { label: string; icon: IconName; children: ReactNode }) {
  return (
    <Popover.Root>
      <Popover.Trigger render={<Button icon={icon} className={toolbar.button} />}>
        <span className={toolbar.label}>{label}</span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner align="end" sideOffset={6} className={popups.positioner}>
          <Popover.Popup className={popups.popup}>
            <div className={popups.popupBody}>
              <Popover.Title className={styles.title}>{label}</Popover.Title>
              {children}
            </div>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

const sortable = columns.filter((column): column is typeof column & { sort: SortName } => column.sort !== undefined);
const sortLabels = new Map(sortable.map((column) => [column.sort, column.label]));
// Two columns sort by `value`; this is its label in the menu.
sortLabels.set('value', '$ per mark, multi-thread');

function SortMenu({ view, change }: Props) {
  const { sort } = view;
  const unusedKeys = [...sortLabels].filter(([by]) => !sort.some((key) => key.by === by));
  const replaceKey = (index: number, keys: CatalogueView['sort']) =>
    change({ sort: sort.toSpliced(index, 1, ...keys) });
  return (
    <ol className={styles.sortKeys}>
      {sort.map((key, index) => (
        <li key={key.by} className={styles.sortKey}>
          <span>
            <span className="muted">{index === 0 ? 'By' : 'then by'}</span> {sortLabels.get(key.by)}
          </span>
          <Button
            size="small"
            icon={key.descending ? 'down' : 'up'}
            aria-label={`${sortLabels.get(key.by)}: ${key.descending ? 'highest' : 'lowest'} first, reverse`}
            onClick={() => replaceKey(index, [{ ...key, descending: !key.descending }])}
          >
            {key.descending ? 'High first' : 'Low first'}
          </Button>
          <IconButton
            label={`Remove sort key ${sortLabels.get(key.by)}`}
            icon="close"
            disabled={sort.length === 1}
            onClick={() => replaceKey(index, [])}
          />
        </li>
      ))}
      {sort.length < MAX_SORT_KEYS && (
        <li>
          <select
            className={forms.input}
            aria-label="Add a sort key"
            value=""
            onChange={(event) => {
              const by = event.target.value as SortName;
              change({ sort: [...sort, { by, descending: descendingFirst.has(by) }] });
            }}
          >
            <option value="" disabled>
              Then by …
            </option>
            {unusedKeys.map(([by, label]) => (
              <option key={by} value={by}>
                {label}
              </option>
            ))}
          </select>
        </li>
      )}
    </ol>
  );
}

function ColumnsMenu({ view, change }: Props) {
  const shownColumns = selectColumns(view.columns);
  const ids = shownColumns.map((column) => column.id);
  return (
    <>
      <ul className={styles.columns}>
        {columns
          .filter((column) => column.id !== 'name')
          .map((column) => (
            <li key={column.id}>
              <label className={forms.check} title={column.hint}>
                <input
                  type="checkbox"
                  checked={ids.includes(column.id)}
                  onChange={(event) => {
                    // Keep the order of `columns`.
                    const chosenColumns = columns.filter(({ id }) =>
                      id === column.id ? event.target.checked : ids.includes(id),
                    );
                    change({ columns: chosenColumns.map(({ id }) => id) }, { keepPage: true, replace: true });
                  }}
                />
                {column.label}
              </label>
            </li>
          ))}
      </ul>
      <Button
        size="small"
        disabled={view.columns === undefined}
        onClick={() => change({ columns: undefined }, { keepPage: true, replace: true })}
      >
        Default columns
      </Button>
    </>
  );
}

function ExportButton({ view, total }: { view: CatalogueView; total: number }) {
  const client = useClient();
  const [state, setState] = useState<{ done?: number; failed?: string }>({});
  const exportCsv = async () => {
    setState({ done: 0 });
    try {
      const rows = await fetchAllCpus(client, view, (done) => setState({ done }));
      downloadFile('dealmark-cpus.csv', toCsv(rows, selectColumns(view.columns)));
      setState({});
    } catch (error) {
      setState({ failed: error instanceof Error ? error.message : String(error) });
    }
  };
  const label = `Save all ${formatInteger(total)} as CSV`;
  return (
    <>
      <Button
        className={toolbar.button}
        title={label}
        aria-label={label}
        disabled={state.done !== undefined}
        onClick={exportCsv}
      >
        <Icon name="download" />
        <span className={`${toolbar.label} number`}>{state.done ? formatInteger(state.done) : 'CSV'}</span>
      </Button>
      <span role="status" className={state.failed ? styles.exportError : 'visually-hidden'}>
        {state.failed && `Export failed: ${state.failed}`}
      </span>
    </>
  );
}
