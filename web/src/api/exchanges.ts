// What stands between urql's cache and the network here. An exchange maps a stream of operations to one of results.
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

/** Sends the id of a document in place of its text: `documentId=sha256:...`. */
export const persistedDocumentExchange: Exchange =
  ({ forward }) =>
  (operations) => {
    const asked = new Map<number, Operation>();
    return pipe(
      operations,
      map((operation) => {
        if (operation.kind === 'teardown') {
          asked.delete(operation.key);
          return operation;
        }
        const documentId = (operation.query as PersistedDocument).__meta__?.hash;
        if (documentId === undefined) throw new Error('A document without an id: is it one of src/gql?');
        asked.set(operation.key, operation);
        const documentById = { kind: 'Document', definitions: [], documentId } as unknown as Operation['query'];
        return makeOperation(operation.kind, { ...operation, query: documentById }, operation.context);
      }),
      forward,
      map((result) => {
        // The cache reads results by the selections of the document, so they go back with that.
        const operation = asked.get(result.operation.key);
        return operation === undefined ? result : { ...result, operation };
      }),
    );
  };

/**
 * Answers are good for an epoch, which ends when the server tells that data changed, or comes back after it was away.
 * What is on the screen is then asked for anew; what is only in the cache is shown, and asked for anew, when it is needed.
 */
export class CacheFreshness {
  private currentEpoch = 0;
  /** In which epoch an operation was last sent. Noted when it is: a result makes the cache run its neighbours again. */
  private readonly asked = new Map<number, number>();
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
          if (error) this.asked.delete(operation.key);
        }),
      );
    };

  /** Everything shown is asked for anew. */
  refresh(): void {
    this.currentEpoch += 1;
    for (const operation of this.active.values()) this.reexecute(withRequestPolicy(operation, 'network-only'));
  }

  private onOperation(operation: Operation): Operation {
    if (operation.kind === 'teardown') this.active.delete(operation.key);
    if (operation.kind !== 'query') return operation;
    this.active.set(operation.key, operation);
    const { key, context } = operation;
    const isFresh = this.asked.get(key) === this.currentEpoch;
    if (context.requestPolicy !== 'cache-only') this.asked.set(key, this.currentEpoch);
    return context.requestPolicy === 'cache-first' && !isFresh
      ? withRequestPolicy(operation, 'cache-and-network')
      : operation;
  }
}

function withRequestPolicy(operation: Operation, requestPolicy: OperationContext['requestPolicy']): Operation {
  return makeOperation(operation.kind, operation, { ...operation.context, requestPolicy });
}
