import type { ReactNode } from 'react';
import { NO_VALUE, formatInteger } from '../lib/format';
import type { CpuRowFragment } from '../gql/graphql';
import styles from './Specifications.module.css';

/** Specifications, one per line. */
export function Specifications({ cpu }: { cpu: CpuRowFragment }) {
  const specifications: [string, ReactNode][] = [
    ['Maker', cpu.manufacturer],
    ['Category', cpu.category],
    ['Socket', cpu.socket],
    ['Cores', cpu.cores],
    ['Threads', cpu.threads],
    ['TDP', cpu.tdpW === null ? null : `${formatInteger(cpu.tdpW)} W`],
    ['Year', cpu.releaseYear],
    ['Graphics', cpu.igpuModel],
    ['Graphics mark', cpu.igpuMark === null ? null : formatInteger(cpu.igpuMark)],
  ];
  return (
    <dl className={styles.specifications}>
      {specifications.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value ?? (
              <span className="muted">
                {NO_VALUE}
                <span className="visually-hidden">unknown</span>
              </span>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}
