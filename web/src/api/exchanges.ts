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

type Persisted = TypedDocumentNode<unknown, AnyVariables> & { __meta__?: { hash?: string } };

/** Sends the id of a document in place of its text: `documentId=sha256:...`. */
export const byId: Exchange =
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
        const documentId = (operation.query as Persisted).__meta__?.hash;
        if (documentId === undefined) throw new Error('A document without an id: is it one of src/gql?');
        asked.set(operation.key, operation);
        const named = { kind: 'Document', definitions: [], documentId } as unknown as Operation['query'];
        return makeOperation(operation.kind, { ...operation, query: named }, operation.context);
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
export class Freshness {
  private epoch = 0;
  /** In which epoch an operation was last sent. Noted when it is: a result makes the cache run its neighbours again. */
  private readonly asked = new Map<number, number>();
  private readonly shown = new Map<number, Operation>();
  private again: (operation: Operation) => void = () => {};

  readonly exchange: Exchange =
    ({ client, forward }) =>
    (operations) => {
      this.again = (operation) => client.reexecuteOperation(operation);
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
    this.epoch += 1;
    for (const operation of this.shown.values()) this.again(renewed(operation, 'network-only'));
  }

  private onOperation(operation: Operation): Operation {
    if (operation.kind === 'teardown') this.shown.delete(operation.key);
    if (operation.kind !== 'query') return operation;
    this.shown.set(operation.key, operation);
    const { key, context } = operation;
    const good = this.asked.get(key) === this.epoch;
    if (context.requestPolicy !== 'cache-only') this.asked.set(key, this.epoch);
    return context.requestPolicy === 'cache-first' && !good ? renewed(operation, 'cache-and-network') : operation;
  }
}

function renewed(operation: Operation, requestPolicy: OperationContext['requestPolicy']): Operation {
  return makeOperation(operation.kind, operation, { ...operation.context, requestPolicy });
}
