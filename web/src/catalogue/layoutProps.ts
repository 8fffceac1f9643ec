// Props of the three layouts of the catalogue: list, cards, and list with detail.
import type { ListedCpu, MarkScale } from './columns';
import type { CpuResults } from './useCpus';
import type { ChangeView, CatalogueView } from './viewState';

export interface LayoutProps {
  rows: ListedCpu[];
  view: CatalogueView;
  change: ChangeView;
  scale: MarkScale;
  cpus: CpuResults;
  /** The rows may be older than the server's data. */
  stale: boolean;
}
