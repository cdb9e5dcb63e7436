/**
 * The payload converter of our workers: as the SDK's default, but what cannot be decoded becomes a marker instead of
 * an exception. By default one undecodable signal fails the workflow's task for ever; with the marker the
 * workflow records it among its problems and lives on. Loaded into the workflow bundle.
 */
import {
  defaultPayloadConverter,
  type Payload,
  type PayloadConverter,
  type SerializationContext,
} from '@temporalio/common';
import { UNDECODABLE } from './message-shape.ts';

/** Wraps a converter of the user's own in the same way. */
export function tolerant(converter: PayloadConverter): PayloadConverter {
  return {
    toPayload: (value, context?: SerializationContext) => converter.toPayload(value, context),
    fromPayload: <T>(payload: Payload, context?: SerializationContext): T => {
      try {
        return converter.fromPayload<T>(payload, context);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return { [UNDECODABLE]: why } as T;
      }
    },
  };
}

export const payloadConverter = tolerant(defaultPayloadConverter);
