// Multiple-choice field for CPUs. The search is public, so it runs without the token.
import { Combobox } from '@base-ui/react/combobox';
import { useRef, useState } from 'react';
import { type FoundCpu as Picked, useCpuSearch, useListState } from '../cpu/useCpuSearch';
import { shortCpuName } from '../lib/format';
import { Icon } from '../ui/Icon';
import popups from '../ui/popup.module.css';
import styles from './CpuPicker.module.css';

export type { Picked };

export function CpuPicker({ picked, onPick }: { picked: Picked[]; onPick: (picked: Picked[]) => void }) {
  const [searchText, setSearchText] = useState('');
  const { cpus: matches, message } = useCpuSearch(searchText, 20);
  const { list: comboboxState, onKeyDown } = useListState(matches);
  const anchor = useRef<HTMLDivElement>(null);
  return (
    <Combobox.Root
      {...comboboxState}
      multiple
      items={matches}
      filter={null}
      value={picked}
      onValueChange={(value) => onPick(value)}
      inputValue={searchText}
      onInputValueChange={setSearchText}
      itemToStringLabel={({ name }: Picked) => name}
      isItemEqualToValue={(one: Picked, other: Picked) => one.id === other.id}
    >
      <Combobox.Chips ref={anchor} className={styles.picker}>
        {picked.map((cpu) => (
          <Combobox.Chip key={cpu.id} className={styles.chip} aria-label={cpu.name}>
            {shortCpuName(cpu.name)}
            <Combobox.ChipRemove className={styles.remove} aria-label={`Remove ${cpu.name}`}>
              <Icon name="close" size={12} />
            </Combobox.ChipRemove>
          </Combobox.Chip>
        ))}
        <Combobox.Input
          className={styles.input}
          onKeyDown={onKeyDown}
          aria-label="CPUs to recalculate"
          placeholder={picked.length > 0 ? 'Add another' : 'Search CPUs by name'}
          autoComplete="off"
          spellCheck={false}
        />
      </Combobox.Chips>
      <Combobox.Portal>
        <Combobox.Positioner anchor={anchor} sideOffset={4} align="start" className={popups.positioner}>
          <Combobox.Popup className={`${popups.popup} ${styles.popup}`}>
            <Combobox.Status className={styles.status}>{message}</Combobox.Status>
            <Combobox.List className={styles.list} aria-label="Matching CPUs">
              {(cpu: Picked) => (
                <Combobox.Item key={cpu.id} value={cpu} className={popups.menuItem}>
                  <span className={popups.menuCheck}>
                    <Combobox.ItemIndicator>
                      <Icon name="check" size={14} />
                    </Combobox.ItemIndicator>
                  </span>
                  {cpu.name}
                </Combobox.Item>
              )}
            </Combobox.List>
          </Combobox.Popup>
        </Combobox.Positioner>
      </Combobox.Portal>
    </Combobox.Root>
  );
}
