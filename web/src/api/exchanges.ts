// Exchanges between urql's cache and the network. An exchange maps a stream of operations to a stream of results.
import {
  type AnyVariables,
  type Exchange,
  makeOperation,
  type Operation,
  type OperationContext,
  type TypedDocumentNode,
} from '@urql/core';
import { map, pipe, tap } from 'wonka';

type PersistedDocument = TypedDocumentNode<unknown, AnyVariables> & { __meta__?: { hash?: string } };

/** Send the id of a document instead of its text: `documentId=sha256:...`. */
export const persistedDocumentExchange: Exchange =
  ({ forward }) =>
  (operations) => {
    const originals = new Map<number, Operation>();
    return pipe(
      operations,
      map((operation) => {
        if (operation.kind === 'teardown') {
          originals.delete(operation.key);
          return operation;
        }
        const documentId = (operation.query as PersistedDocument).__meta__?.hash;
        if (documentId === undefined) throw new Error('A document without an id: is it one of src/gql?');
        originals.set(operation.key, operation);
        const documentById = { kind: 'Document', definitions: [], documentId } as unknown as Operation['query'];
        return makeOperation(operation.kind, { ...operation, query: documentById }, operation.context);
      }),
      forward,
      map((result) => {
        // The cache reads a result by the selections of its document, so the original operation is restored.
        const operation = originals.get(result.operation.key);
        return operation === undefined ? result : { ...result, operation };
      }),
    );
  };

/**
 * Policy for fetching cached results again. A result is fresh for one epoch, which ends when data changes or the
 * connection is restored. Queries on the screen are then fetched again. Other cached results are shown when they are
 * needed, and fetched again in the background.
 */
export class CacheFreshness {
  private currentEpoch = 0;
  /**
   * Epoch in which each operation was last sent. Set on sending, because a result makes the cache run related
   * queries.
   */
  private readonly sentEpochs = new Map<number, number>();
  private readonly active = new Map<number, Operation>();
  private reexecute: (operation: Operation) => void = () => {};

  readonly exchange: Exchange =
    ({ client, forward }) =>
    (operations) => {
      this.reexecute = (operation) => client.reexecuteOperation(operation);
      return pipe(
        operations,
        map((operation) => this.onOperation(operation)),
        forward,
        tap(({ operation, error }) => {
          if (error) this.sentEpochs.delete(operation.key);
        }),
      );
    };

  /** Start a new epoch: fetch every query on the screen again. */
  refresh(): void {
    this.currentEpoch += 1;
    for (const operation of this.active.values()) this.reexecute(withRequestPolicy(operation, 'network-only'));
  }

  private onOperation(operation: Operation): Operation {
    if (operation.kind === 'teardown') this.active.delete(operation.key);
    if (operation.kind !== 'query') return operation;
    this.active.set(operation.key, operation);
    const { key, context } = operation;
    const isFresh = this.sentEpochs.get(key) === this.currentEpoch;
    if (context.requestPolicy !== 'cache-only') this.sentEpochs.set(key, this.currentEpoch);
    return context.requestPolicy === 'cache-first' && !isFresh
      ? withRequestPolicy(operation, 'cache-and-network')
      : operation;
  }
}

function withRequestPolicy(operation: Operation, requestPolicy: OperationContext['requestPolicy']): Operation {
  return makeOperation(operation.kind, operation, { ...operation.context, requestPolicy });
}
