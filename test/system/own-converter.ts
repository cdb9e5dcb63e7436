/** A user's payload converter: JSON under an encoding of its own, made tolerant as the README says. */
import {
  CompositePayloadConverter,
  type Payload,
  type PayloadConverterWithEncoding,
  UndefinedPayloadConverter,
} from '@temporalio/common';
import { tolerant } from '../../src/contract/index.ts';

const ENCODING = 'json/own';

class OwnJsonConverter implements PayloadConverterWithEncoding {
  readonly encodingType = ENCODING;

  toPayload(value: unknown): Payload | undefined {
    if (value === undefined) return undefined;
    const encode = (text: string) => new TextEncoder().encode(text);
    return { metadata: { encoding: encode(ENCODING) }, data: encode(JSON.stringify(value)) };
  }

  fromPayload<T>(payload: Payload): T {
    return JSON.parse(new TextDecoder().decode(payload.data ?? new Uint8Array())) as T;
  }
}

export const payloadConverter = tolerant(
  new CompositePayloadConverter(new UndefinedPayloadConverter(), new OwnJsonConverter()),
);
