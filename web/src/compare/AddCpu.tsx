// Field that searches CPUs and adds the chosen one to the comparison.
import { Combobox } from '@base-ui/react/combobox';
import { useState } from 'react';
import { type FoundCpu, useCpuSearch, useListState } from '../cpu/useCpuSearch';
import { shortCpuName, formatUsd } from '../lib/format';
import { Icon } from '../ui/Icon';
import forms from '../ui/forms.module.css';
import popups from '../ui/popup.module.css';
import styles from './AddCpu.module.css';

export function AddCpu({ comparedSlugs, add }: { comparedSlugs: string[]; add: (slug: string) => void }) {
  const [searchText, setSearchText] = useState('');
  const { cpus: matches, message } = useCpuSearch(searchText, 8);
  const { list: comboboxState, onKeyDown } = useListState(matches);
  return (
    <Combobox.Root
      {...comboboxState}
      items={matches}
      filter={null}
      value={null}
      inputValue={searchText}
      autoHighlight
      itemToStringLabel={(cpu: FoundCpu) => cpu.name}
      isItemEqualToValue={(one: FoundCpu, other: FoundCpu) => one.slug === other.slug}
      onInputValueChange={(value, { reason }) => {
        if (reason !== 'item-press') setSearchText(value);
      }}
      onValueChange={(cpu: FoundCpu | null) => {
        if (!cpu) return;
        setSearchText('');
        add(cpu.slug);
      }}
    >
      <Combobox.InputGroup className={styles.addCpu}>
        <Icon name="search" />
        <Combobox.Input
          className={forms.input}
          onKeyDown={onKeyDown}
          aria-label="Add a CPU"
          placeholder="Add a CPU, like i5 8500t"
          maxLength={200}
          autoComplete="off"
          spellCheck={false}
        />
      </Combobox.InputGroup>
      <Combobox.Portal>
        <Combobox.Positioner className={popups.positioner} sideOffset={4} align="start">
          <Combobox.Popup className={`${popups.popup} ${styles.popup}`}>
            <Combobox.Status className={`${styles.status} muted`}>{message}</Combobox.Status>
            <Combobox.List className={popups.menu}>
              {(cpu: FoundCpu) => (
                <Combobox.Item
                  key={cpu.slug}
                  value={cpu}
                  disabled={comparedSlugs.includes(cpu.slug)}
                  className={`${popups.menuItem} ${styles.item}`}
                >
                  <span className={styles.name}>{shortCpuName(cpu.name)}</span>
                  <span className={`${styles.facts} number`}>
                    {comparedSlugs.includes(cpu.slug)
                      ? 'already compared'
                      : cpu.priceTarget.good === null
                        ? ''
                        : formatUsd(cpu.priceTarget.good)}
                  </span>
                </Combobox.Item>
              )}
            </Combobox.List>
          </Combobox.Popup>
        </Combobox.Positioner>
      </Combobox.Portal>
    </Combobox.Root>
  );
}
