import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { useQuery } from 'urql';
import { formatAge, formatInteger } from '../lib/format';
import { DocumentsDocument, type DocumentsQuery } from '../gql/graphql';
import { Icon } from '../ui/Icon';
import { LoadError, EmptyState } from '../ui/State';
import { formatExactTime, LoadingPanel, pageVariables, Pagination, cursorOf } from './components';
import admin from './components.module.css';
import forms from '../ui/forms.module.css';
import panels from '../ui/Panel.module.css';
import styles from './DocumentsPage.module.css';

type Document = DocumentsQuery['documents']['nodes'][number];
const PAGE_SIZE = 200;

/** Table of the published documents: their clients, usage and execution mode. */
export function DocumentsPage() {
  const search = useSearch({ from: '/admin/documents' });
  const [{ data, error, fetching }, refetch] = useQuery({
    query: DocumentsDocument,
    variables: pageVariables(cursorOf(search), PAGE_SIZE),
  });
  const [searchText, setSearchText] = useState('');
  const documents = data?.documents;
  const matches = documents?.nodes.filter(({ name, clients, documentId }) =>
    [name, documentId, ...clients].some((text) => text.toLowerCase().includes(searchText.trim().toLowerCase())),
  );
  return (
    <section aria-labelledby="documents" className={admin.section}>
      <div className={admin.sectionHead}>
        <h2 id="documents">Documents</h2>
        <p role="status" className="muted number">
          {documents &&
            matches &&
            (searchText
              ? `${formatInteger(matches.length)} of ${formatInteger(documents.totalCount)}`
              : formatInteger(documents.totalCount))}
        </p>
        <div className={admin.sectionTools}>
          <input
            className={forms.input}
            type="search"
            aria-label="Search by name, client or id"
            placeholder="Name, client or id"
            value={searchText}
            onChange={(event) => setSearchText(event.target.value)}
          />
        </div>
      </div>
      {!documents && fetching && <LoadingPanel label="Loading documents" />}
      {!documents && !fetching && (
        <LoadError error={error} onRetry={() => refetch({ requestPolicy: 'network-only' })} />
      )}
      {documents?.totalCount === 0 && (
        <EmptyState icon="list" title="No documents">
          Publish documents with <code>dealmark documents publish</code>.
        </EmptyState>
      )}
      {documents && documents.totalCount > 0 && matches?.length === 0 && (
        <EmptyState icon="search" title="No document matches">
          The search covers names, clients (such as web@1.2.3) and ids.
        </EmptyState>
      )}
      {matches && matches.length > 0 && (
        <div
          className={`${admin.tableScroll} ${panels.panel}`}
          tabIndex={0}
          role="region"
          aria-label="Table of documents"
        >
          <table className={admin.table}>
            <thead>
              <tr>
                <th scope="col">Document</th>
                <th scope="col" className={admin.end}>
                  Hits
                </th>
                <th scope="col">Last used</th>
                <th scope="col">Execution</th>
                <th scope="col">Clients</th>
              </tr>
            </thead>
            <tbody>
              {matches.map((document) => (
                <DocumentRow key={document.documentId} document={document} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {documents && (
        <Pagination
          info={documents.pageInfo}
          total={documents.totalCount}
          itemName="documents"
          linkLabels={['Previous', 'Next']}
        />
      )}
    </section>
  );
}

function DocumentRow({ document }: { document: Document }) {
  const { name, documentId, hits, lastUsedAt, clients, ships } = document;
  return (
    <tr>
      <th scope="row">
        {name}
        {documentId !== name && (
          <span className={`muted ${styles.documentId}`} title={documentId}>
            {documentId.replace(/^(sha256:.{10}).*$/, '$1…')}
          </span>
        )}
      </th>
      <td className={`${admin.end} number`}>{formatInteger(hits)}</td>
      <td className="number" title={formatExactTime(lastUsedAt)}>
        {formatAge(lastUsedAt)}
      </td>
      <td className={admin.wrap}>
        <ExecutionMode document={document} />
      </td>
      <td className={admin.wrap}>
        {ships && <span className={admin.tag}>ships with the server</span>} {clients.join(', ')}
      </td>
    </tr>
  );
}

function ExecutionMode({ document: { running, retiredAt } }: { document: Document }) {
  if (!running)
    return <span className="muted">{retiredAt ? `Not served; retired ${formatAge(retiredAt)}` : 'Not served'}</span>;
  if (running.state === 'COMPILED') return <>Compiled</>;
  return (
    <span className={running.state === 'OUTDATED' ? admin.bad : undefined}>
      {running.state === 'OUTDATED' && <Icon name="warning" size={12} />}{' '}
      {running.state === 'OUTDATED' ? 'Outdated' : 'Interpreted'}
      {running.reason && <span className="muted">: {running.reason}</span>}
    </span>
  );
}
