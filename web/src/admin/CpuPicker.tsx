// Picks CPUs by their names. They are looked for as everybody does, without the token.
import { Combobox } from '@base-ui/react/combobox';
import { useEffect, useRef, useState } from 'react';
import { useQuery } from 'urql';
import { shortName, whole } from '../format';
import { CpuPickDocument, type CpuPickQuery } from '../gql/graphql';
import { Icon } from '../ui/Icon';

export type Picked = CpuPickQuery['cpus']['nodes'][number];
const PAUSE = 120; // ms after a key

export function CpuPicker({ picked, onPick }: { picked: Picked[]; onPick: (picked: Picked[]) => void }) {
  const [typed, setTyped] = useState('');
  const search = usePaused(typed.trim());
  const [{ data, fetching, error, operation }] = useQuery({
    query: CpuPickDocument,
    variables: { search },
    pause: search === '',
  });
  const chips = useRef<HTMLDivElement>(null);
  // Only what was found for what is typed now: Enter would else pick what was asked for before.
  const current = search !== '' && search === typed.trim() && operation?.variables.search === search;
  const found = current ? (data?.cpus.nodes ?? []) : [];
  return (
    <Combobox.Root
      multiple
      items={found}
      filter={null}
      value={picked}
      onValueChange={(value) => onPick(value)}
      inputValue={typed}
      onInputValueChange={setTyped}
      itemToStringLabel={({ name }: Picked) => name}
      isItemEqualToValue={(one: Picked, other: Picked) => one.id === other.id}
    >
      <Combobox.Chips ref={chips} className="picker">
        {picked.map((cpu) => (
          <Combobox.Chip key={cpu.id} className="picker-chip" aria-label={cpu.name}>
            {shortName(cpu.name)}
            <Combobox.ChipRemove className="picker-remove" aria-label={`Without ${cpu.name}`}>
              <Icon name="close" size={12} />
            </Combobox.ChipRemove>
          </Combobox.Chip>
        ))}
        <Combobox.Input
          className="picker-input"
          aria-label="CPUs to recalculate"
          placeholder={picked.length > 0 ? 'and …' : 'Search CPUs by name'}
          autoComplete="off"
          spellCheck={false}
        />
      </Combobox.Chips>
      <Combobox.Portal>
        <Combobox.Positioner anchor={chips} sideOffset={4} align="start" className="positioner">
          <Combobox.Popup className="popup picker-popup">
            <Combobox.Status className="picker-status">
              {search === '' && 'Type a part of the name, like 8500t'}
              {search !== '' && error && 'CPUs cannot be looked for now'}
              {search !== '' && !error && (fetching || !current) && 'Looking …'}
              {current && data && !fetching && found.length === 0 && `No CPU is called “${search}”`}
              {found.length > 0 &&
                data &&
                data.cpus.totalCount > found.length &&
                `The first ${found.length} of ${whole(data.cpus.totalCount)}`}
            </Combobox.Status>
            <Combobox.List className="picker-list" aria-label="CPUs found">
              {(cpu: Picked) => (
                <Combobox.Item key={cpu.id} value={cpu} className="menu-item">
                  <span className="menu-check">
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

/** What it was a moment ago, so that faster typing is one question. */
function usePaused(value: string): string {
  const [paused, setPaused] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(value), PAUSE);
    return () => clearTimeout(timer);
  }, [value]);
  return paused;
}
