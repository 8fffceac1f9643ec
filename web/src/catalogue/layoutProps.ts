// Props of the three layouts of the catalogue: list, cards, and list with detail.
import type { Cpu, Scale } from './columns';
import type { Cpus } from './useCpus';
import type { Change, View } from './viewState';

export interface LayoutProps {
  rows: Cpu[];
  view: View;
  change: Change;
  scale: Scale;
  cpus: Cpus;
  /** The rows may be older than the server's data. */
  stale: boolean;
}
