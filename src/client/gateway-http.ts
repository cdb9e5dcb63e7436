/**
 * One HTTP call to the gateway: address, key, timeout, the answer read by its schema, and a refusal turned back into its error class.
 * Used by `gateway-client.ts` only, which adds what is called.
 */
import type { z } from 'zod';
import {
  AlreadyExistsError,
  EscapementError,
  InvalidInputError,
  NotExistsError,
  PoolDisbandedError,
  UnavailableError,
} from '../contract/errors.ts';
import { pageSchema, type Problem, problemSchema } from '../contract/gateway.ts';

export interface GatewayClientOptions {
  /** Such as `http://127.0.0.1:7280`. */
  readonly url: string;
  readonly key?: string | undefined;
  /** One call ends within it. Default 10 s. */
  readonly timeoutMs?: number | undefined;
  /** For tests and for a gateway in the same process: `(request) => app.fetch(request)`. */
  readonly fetch?: ((request: Request) => Promise<Response> | Response) | undefined;
}

export interface CallOptions {
  /** Gives the call up; it may have been carried out. */
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/** The gateway, or what it stands on, is out of reach. */
export class GatewayUnavailableError extends UnavailableError {
  /** `status` is the HTTP status where the gateway did answer; undefined means silence. */
  constructor(
    what: string,
    advice: string,
    readonly status: number | undefined,
    options?: ErrorOptions,
  ) {
    super(what, advice, options);
  }
}

export interface HttpCall extends CallOptions {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
}

const TIMEOUT_MS_DEFAULT = 10_000;

export interface PageOptions extends CallOptions {
  /** At most 100, which is the default. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface ListPage<T> {
  readonly items: readonly T[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

export class GatewayHttp {
  readonly url: string;
  readonly #options: GatewayClientOptions;

  /** @throws InvalidInputError where the url is none */
  constructor(options: GatewayClientOptions) {
    if (!URL.canParse(options.url) || !/^https?:/.test(options.url)) {
      const message = `"${options.url}" is no http address: write it like http://127.0.0.1:7280`;
      throw new InvalidInputError('gateway', [{ path: 'url', message }]);
    }
    this.url = options.url.replace(/\/+$/, '');
    this.#options = options;
  }

  /** A response with a status of 2xx, or an error thrown. */
  async call(call: HttpCall): Promise<Response> {
    const request = this.#request(call);
    const timeoutMs = call.timeoutMs ?? this.#options.timeoutMs ?? TIMEOUT_MS_DEFAULT;
    const timeout = AbortSignal.timeout(Math.ceil(timeoutMs));
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
    const send = this.#options.fetch ?? fetch;
    let response: Response;
    try {
      response = await send(new Request(request, { signal }));
    } catch (error) {
      if (call.signal?.aborted === true) throw call.signal.reason;
      const advice = timeout.aborted
        ? 'it did not answer in time'
        : 'is it running, and is the address right?';
      throw new GatewayUnavailableError(`the gateway at ${this.url}`, advice, undefined, { cause: error });
    }
    if (response.ok) return response;
    throw await this.#refusal(response);
  }

  /** The schema checks what a compiler cannot see; it differs from `T` only in how absent fields are typed. */
  async read<T>(schema: z.ZodType, call: HttpCall): Promise<T> {
    const body: unknown = await (await this.call(call)).json().catch(() => undefined);
    const answer = schema.safeParse(body);
    if (answer.success) return answer.data as T;
    const advice = `it answered what no gateway of this version does (${answer.error.issues[0]?.message}): check the address`;
    throw new GatewayUnavailableError(`the gateway at ${this.url}`, advice, 200);
  }

  list<T>(
    item: z.ZodType,
    path: readonly string[],
    page: PageOptions = {},
    filter: Readonly<Record<string, string | number | undefined>> = {},
  ): Promise<ListPage<T>> {
    const { limit, cursor, ...options } = page;
    return this.read(pageSchema(item), {
      method: 'GET',
      path,
      query: { ...filter, limit, cursor },
      ...options,
    });
  }

  #request(call: HttpCall): Request {
    const url = new URL(`${this.url}/v1/${call.path.map(segment).join('/')}`);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { accept: 'application/json' };
    if (this.#options.key !== undefined) headers['authorization'] = `Bearer ${this.#options.key}`;
    if (call.body === undefined) return new Request(url, { method: call.method, headers });
    headers['content-type'] = 'application/json';
    return new Request(url, { method: call.method, headers, body: JSON.stringify(call.body) });
  }

  async #refusal(response: Response): Promise<EscapementError> {
    const parsed = problemSchema.safeParse(await response.json().catch(() => undefined));
    if (!parsed.success) {
      const advice = `it answered ${response.status} without saying why: check the address and what lies between`;
      return new GatewayUnavailableError(`the gateway at ${this.url}`, advice, response.status);
    }
    return errorOf(parsed.data, this.url);
  }
}

/** `.` and `..` would be resolved away and the call would go elsewhere; half of a surrogate pair has no form in a URL. */
function segment(text: string): string {
  if (text !== '' && text !== '.' && text !== '..' && !/\p{Surrogate}/u.test(text))
    return encodeURIComponent(text);
  throw new InvalidInputError('path', [
    { path: '', message: `${JSON.stringify(text)} cannot be part of a URL` },
  ]);
}

/** The error class that stands for a problem's code. */
function errorOf(problem: Problem, url: string): EscapementError {
  const { code, detail, details = {} } = problem;
  switch (code) {
    case 'PoolDisbanded':
      return new PoolDisbandedError(textOf(details['poolId']));
    case 'InvalidInput': {
      const issues = problem.errors ?? [{ path: '', message: detail }];
      return new InvalidInputError(textOf(details['subject'] ?? 'request'), issues);
    }
    case 'Unavailable': {
      const what = textOf(details['what'] ?? 'something');
      const advice = detail.replace(`${what} is out of reach: `, '');
      return new GatewayUnavailableError(`${what} (by the gateway at ${url})`, advice, problem.status);
    }
    case 'PoolExists':
    case 'WorkerExists':
    case 'AllocExists':
    case 'ScheduleExists':
    case 'JobExists':
      return new AlreadyExistsError(code, detail, details);
    case 'PoolNotExists':
    case 'WorkerNotExists':
    case 'ScheduleNotExists':
    case 'InvocationNotExists':
    case 'EvalNotExists':
    case 'CalendarNotExists':
      return new NotExistsError(code, detail, details);
    case 'Unauthorized':
    case 'CalendarInUse':
    case 'RevisionConflict':
    case 'StateOwned':
      return new EscapementError(code, detail, details);
    default:
      // A newer gateway may know codes that this client does not.
      return new GatewayUnavailableError(`the gateway at ${url}`, `${code}: ${detail}`, problem.status);
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : String(value);
}
