// Page that starts imports from a URL or from a file of URLs, and lists recent imports.
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { type DragEvent, type FormEvent, useEffect, useRef, useState } from 'react';
import { useMutation, useQuery, useSubscription } from 'urql';
import { formatAge, formatInteger } from '../lib/format';
import {
  type ImportFieldsFragment,
  ImportFileDocument,
  ImportUpdatesDocument,
  type ImportPriority,
  ImportsDocument,
  ImportUrlDocument,
} from '../gql/graphql';
import { Button } from '../ui/Button';
import { LoadError, EmptyState } from '../ui/State';
import { uploadProblem } from './uploads';
import {
  formatExactTime,
  ErrorMessage,
  isFinished,
  LoadingPanel,
  pageVariables,
  Pagination,
  cursorOf,
  ProgressBar,
  StatusBadge,
} from './components';
import { useSession } from './session';
import admin from './components.module.css';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';
import styles from './ImportsPage.module.css';

export function ImportsPage() {
  return (
    <>
      <div className={admin.columns}>
        <UrlImportForm />
        <FileImportForm />
      </div>
      <ImportList />
    </>
  );
}

function PriorityField({ value, onChange }: { value: ImportPriority; onChange: (value: ImportPriority) => void }) {
  return (
    <label className={`${admin.field} ${admin.shortField}`}>
      <span className={admin.fieldLabel}>Priority</span>
      <select
        className={forms.input}
        value={value}
        onChange={(event) => onChange(event.target.value as ImportPriority)}
      >
        <option value="HIGH">High</option>
        <option value="NORMAL">Normal</option>
        <option value="LOW">Low</option>
      </select>
    </label>
  );
}

/** Return a function that opens the page of an import that was just started. */
function useOpenImport() {
  const navigate = useNavigate();
  const { refresh } = useSession();
  return (id: string) => {
    refresh();
    void navigate({ to: '/admin/imports/$id', params: { id } });
  };
}

function UrlImportForm() {
  const openImport = useOpenImport();
  const [url, setUrl] = useState('');
  // The operator waits for a pasted URL, so it takes precedence over URLs from files.
  const [priority, setPriority] = useState<ImportPriority>('HIGH');
  const [missing, setMissing] = useState<string>();
  const [{ error, fetching }, ingest] = useMutation(ImportUrlDocument);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const trimmedUrl = url.trim();
    setMissing(trimmedUrl === '' ? 'Paste a URL first.' : undefined);
    if (trimmedUrl === '' || fetching) return;
    const { data } = await ingest({ url: trimmedUrl, priority });
    if (data) openImport(data.ingestUrl.session.id);
  };
  return (
    <form className={`${panels.panel} ${admin.block}`} onSubmit={submit} noValidate aria-labelledby="by-url">
      <h2 id="by-url">A page</h2>
      <p className="muted">Fetch a page and store its listings with their price and CPU.</p>
      <div className={admin.fields}>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>URL of the listing</span>
          <input
            className={forms.input}
            type="url"
            inputMode="url"
            autoComplete="off"
            placeholder="https://"
            value={url}
            onChange={(event) => setUrl(event.target.value)}
          />
        </label>
        <PriorityField value={priority} onChange={setPriority} />
      </div>
      <div className={admin.actions}>
        <Button type="submit" kind="solid" aria-disabled={fetching}>
          {fetching ? 'Starting …' : 'Import page'}
        </Button>
      </div>
      <ErrorMessage error={missing ?? error} title="Not imported." />
    </form>
  );
}

const encodings = [
  ['', 'UTF-8, or by byte order mark'],
  ['windows-1252', 'Windows-1252 (Excel, western)'],
  ['windows-1250', 'Windows-1250 (central European)'],
  ['utf-16', 'UTF-16'],
] as const;

function FileImportForm() {
  const openImport = useOpenImport();
  const [priority, setPriority] = useState<ImportPriority>('NORMAL');
  const [encoding, setEncoding] = useState('');
  const [problem, setProblem] = useState<string>();
  const [isDragging, setIsDragging] = useState(false);
  const fileInput = useRef<HTMLInputElement>(null);
  const [{ error, fetching }, ingest] = useMutation(ImportFileDocument);
  const upload = async (file: File | undefined) => {
    if (!file || fetching) return;
    const fileProblem = uploadProblem(file);
    setProblem(fileProblem);
    if (fileProblem !== undefined) return;
    const { data } = await ingest({ file, priority, encoding: encoding || null });
    if (data) openImport(data.ingestBulk.session.id);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setIsDragging(false);
    const { files } = event.dataTransfer;
    if (files.length > 1) setProblem('Drop one file at a time.');
    else void upload(files[0]);
  };
  return (
    <section className={`${panels.panel} ${admin.block}`} aria-labelledby="by-file">
      <h2 id="by-file">A file of URLs</h2>
      <div
        className={isDragging ? `${styles.dropZone} ${styles.dragOver}` : styles.dropZone}
        onDragOver={(event) => {
          event.preventDefault();
          setIsDragging(true);
        }}
        onDragLeave={() => setIsDragging(false)}
        onDrop={onDrop}
      >
        <p>
          Drop a file here, or{' '}
          <Button size="small" icon="up" aria-disabled={fetching} onClick={() => fileInput.current?.click()}>
            {fetching ? 'Sending …' : 'Choose a file'}
          </Button>
        </p>
        <p className="muted">
          CSV with a column <code>url</code>, or JSON like <code>{'[{"url": "https://…"}]'}</code>; at most 1,000 rows
          and 4 MiB.
        </p>
        <input
          ref={fileInput}
          hidden
          type="file"
          accept=".csv,.tsv,.txt,.json,text/csv,application/json"
          onChange={(event) => {
            void upload(event.target.files?.[0]);
            event.target.value = ''; // choosing the same file again fires another change event
          }}
        />
      </div>
      <div className={admin.fields}>
        <label className={admin.field}>
          <span className={admin.fieldLabel}>Encoding of CSV</span>
          <select className={forms.input} value={encoding} onChange={(event) => setEncoding(event.target.value)}>
            {encodings.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <PriorityField value={priority} onChange={setPriority} />
      </div>
      <ErrorMessage error={problem ?? error} title="Not imported." />
    </section>
  );
}

const REFETCH_INTERVAL_MS = 5_000; // how often imports of other users are fetched, in ms

function ImportList() {
  const search = useSearch({ from: '/admin/imports' });
  const [{ data, error, fetching }, refetch] = useQuery({
    query: ImportsDocument,
    variables: pageVariables(cursorOf(search), 20),
  });
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') refetch({ requestPolicy: 'network-only' });
    }, REFETCH_INTERVAL_MS);
    return () => clearInterval(timer);
  }, [refetch]);
  const sessions = data?.importSessions;
  return (
    <section aria-labelledby="sessions" className={admin.section}>
      <div className={admin.sectionHead}>
        <h2 id="sessions">Recent imports</h2>
      </div>
      {!sessions && fetching && <LoadingPanel label="Loading imports" />}
      {!sessions && !fetching && <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />}
      {sessions?.nodes.length === 0 && (
        <EmptyState icon="download" title="No imports yet">
          Paste a URL above, or drop a file of URLs.
        </EmptyState>
      )}
      {sessions && sessions.nodes.length > 0 && (
        <ul className={panels.panel}>
          {sessions.nodes.map((session) => (
            <ImportListRow key={session.id} session={session} />
          ))}
        </ul>
      )}
      {sessions && <Pagination info={sessions.pageInfo} total={sessions.totalCount} itemName="imports" />}
    </section>
  );
}

function ImportListRow({ session }: { session: ImportFieldsFragment }) {
  useSubscription({ query: ImportUpdatesDocument, variables: { id: session.id }, pause: isFinished(session.status) });
  return (
    <li className={styles.session}>
      <StatusBadge status={session.status} />
      <Link to="/admin/imports/$id" params={{ id: session.id }} className={styles.name}>
        {session.name}
      </Link>
      <span className={styles.counts}>
        {isFinished(session.status) ? (
          <RowCounts session={session} />
        ) : (
          <ProgressBar done={session.done} total={session.total} label={`Import of ${session.name}`} />
        )}
      </span>
      <span className={`muted number ${styles.requested}`} title={formatExactTime(session.requestedAt)}>
        {session.requestedBy}, {formatAge(session.requestedAt)}
      </span>
    </li>
  );
}

/** Number of rows by result. */
function RowCounts({ session: { total, complete, partial, failed } }: { session: ImportFieldsFragment }) {
  return (
    <span className="number">
      {total === 1 ? '1 page' : `${formatInteger(total)} pages`}
      {total > 1 && complete > 0 && <span className="muted">, {formatInteger(complete)} complete</span>}
      {total > 1 && partial > 0 && <span className={admin.warn}>, {formatInteger(partial)} partial</span>}
      {total > 1 && failed > 0 && <span className={admin.bad}>, {formatInteger(failed)} failed</span>}
    </span>
  );
}
