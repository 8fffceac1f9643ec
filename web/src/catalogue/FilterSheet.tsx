import { Dialog } from '@base-ui/react/dialog';
import { formatInteger } from '../lib/format';
import { Button, IconButton } from '../ui/Button';
import { type FilterOptions, ClearFilters, Filters } from './Filters';
import { type ChangeView, countFilters, type CatalogueView } from './viewState';
import toolbar from './toolbarButton.module.css';
import popups from '../ui/popup.module.css';
import styles from './FilterSheet.module.css';

/** Filters for narrow screens, in a sheet from the side, with the number of matching CPUs. */
export default function FilterSheet({
  view,
  change,
  options,
  total,
}: {
  view: CatalogueView;
  change: ChangeView;
  options: FilterOptions;
  total: number;
}) {
  const count = countFilters(view);
  return (
    <Dialog.Root>
      <Dialog.Trigger render={<Button icon="filter" className={toolbar.button} />}>
        <span className={toolbar.label}>Filters</span>
        {count > 0 && <span className={toolbar.badge}>{count}</span>}
      </Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Backdrop className={popups.backdrop} />
        <Dialog.Popup className={styles.sheet}>
          <div className={styles.head}>
            <Dialog.Title>Filters</Dialog.Title>
            <ClearFilters view={view} change={change} />
            <Dialog.Close render={<IconButton label="Close" icon="close" />} />
          </div>
          <div className={styles.body}>
            <Filters view={view} change={change} options={options} inSheet />
          </div>
          <div className={styles.foot}>
            <Dialog.Close render={<Button kind="solid" />}>Show {formatInteger(total)} CPUs</Dialog.Close>
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
