import { Toggle } from '@base-ui/react/toggle';
import { ToggleGroup } from '@base-ui/react/toggle-group';
import { Icon, type IconName } from '../ui/Icon';
import type { ChangeView, Layout, CatalogueView } from './viewState';
import forms from '../ui/forms.module.css';

const layoutOptions: { value: Layout; label: string; icon: IconName }[] = [
  { value: 'list', label: 'List', icon: 'list' },
  { value: 'grid', label: 'Cards', icon: 'grid' },
  { value: 'split', label: 'List and detail', icon: 'split' },
];

export function LayoutSwitch({ view, change }: { view: CatalogueView; change: ChangeView }) {
  return (
    <ToggleGroup
      className={forms.segments}
      aria-label="View"
      value={[view.layout]}
      onValueChange={([layout]) => layout && change({ layout: layout as Layout }, { keepPage: true })}
    >
      {layoutOptions.map(({ value, label, icon }) => (
        <Toggle key={value} value={value} className={forms.segment} aria-label={label} title={label}>
          <Icon name={icon} />
        </Toggle>
      ))}
    </ToggleGroup>
  );
}
