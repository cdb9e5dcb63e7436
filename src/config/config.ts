/**
 * Where everything is: from options (flags), the environment, Temporal's own configuration file and, last, the system
 * that runs in this folder. Read once, checked by zod, frozen. Used by the CLI and by `Scheduler.connect`.
 */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { ConnectionOptions } from '@temporalio/client';
import { z } from 'zod';
import { InvalidInputError } from '../contract/errors.ts';
import { deploymentProblem } from '../contract/ids.ts';
import { durationSchema, issuesOf } from '../contract/fields.ts';
import { LEDGER_RETENTION_MS_DEFAULT, LEDGER_RETENTION_MS_MIN } from '../core/limits.ts';
import { readAddresses, readKey, STATE_FOLDER } from './local-state.ts';

export const DEFAULT_ADDRESS = '127.0.0.1:7233';
export const DEFAULT_GATEWAY_PORT = 7280;

export interface ConfigOptions {
  /** Of the Temporal server, `host:port`. */
  readonly address?: string | undefined;
  readonly namespace?: string | undefined;
  /** Of Temporal's configuration file (TEMPORAL_PROFILE). */
  readonly profile?: string | undefined;
  readonly deployment?: string | undefined;
  readonly gatewayUrl?: string | undefined;
  readonly gatewayKey?: string | undefined;
  readonly databaseUrl?: string | undefined;
  /** How long ledger rows and records of runs are kept, such as `180d`; default 90 days, ESCAPEMENT_LEDGER_RETENTION. */
  readonly ledgerRetention?: string | undefined;
  /** Folder of a one-machine system; default `.escapement`, ESCAPEMENT_STATE. */
  readonly stateFolder?: string | undefined;
}

export interface Config {
  readonly temporal: ConnectionOptions & { readonly address: string };
  readonly namespace: string;
  readonly deployment: string;
  readonly gatewayUrl: string;
  readonly gatewayKey: string | undefined;
  readonly databaseUrl: string | undefined;
  /** Where the namespace keeps closed workflows longer, that counts. */
  readonly ledgerRetentionMs: number;
  readonly stateFolder: string;
}

const environment = z.object({
  ESCAPEMENT_DEPLOYMENT: z.string().optional(),
  ESCAPEMENT_GATEWAY_URL: z.url({ protocol: /^https?$/ }).optional(),
  ESCAPEMENT_GATEWAY_KEY: z.string().min(1).optional(),
  ESCAPEMENT_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  ESCAPEMENT_LEDGER_RETENTION: z.string().optional(),
  ESCAPEMENT_STATE: z.string().min(1).optional(),
});

/** @throws InvalidInputError naming the variable or flag at fault */
export function loadConfig(options: ConfigOptions = {}, env: NodeJS.ProcessEnv = process.env): Config {
  // `NAME=` in an environment file means that nothing is set.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(set);
  if (!parsed.success) throw new InvalidInputError('environment', issuesOf(parsed.error));
  const given = parsed.data;
  const stateFolder = options.stateFolder ?? given.ESCAPEMENT_STATE ?? STATE_FOLDER;
  const local = readAddresses(stateFolder);
  const temporal = temporalConfig(options, set);

  const deployment = options.deployment ?? given.ESCAPEMENT_DEPLOYMENT ?? local?.deployment ?? '';
  const problem = deploymentProblem(deployment);
  if (problem !== undefined) {
    throw new InvalidInputError('settings', [{ path: 'deployment', message: problem }]);
  }
  return Object.freeze({
    temporal: {
      ...temporal.connectionOptions,
      address:
        options.address ?? temporal.connectionOptions.address ?? local?.temporalAddress ?? DEFAULT_ADDRESS,
    },
    namespace: options.namespace ?? temporal.namespace ?? local?.namespace ?? 'default',
    deployment,
    gatewayUrl:
      options.gatewayUrl ??
      given.ESCAPEMENT_GATEWAY_URL ??
      local?.gatewayUrl ??
      `http://127.0.0.1:${DEFAULT_GATEWAY_PORT}`,
    gatewayKey: options.gatewayKey ?? given.ESCAPEMENT_GATEWAY_KEY ?? readKey(stateFolder),
    databaseUrl: options.databaseUrl ?? given.ESCAPEMENT_DATABASE_URL,
    ledgerRetentionMs: retentionOf(options.ledgerRetention ?? given.ESCAPEMENT_LEDGER_RETENTION),
    stateFolder,
  });
}

const retentionSchema = durationSchema(LEDGER_RETENTION_MS_MIN).default(LEDGER_RETENTION_MS_DEFAULT);

function retentionOf(text: string | undefined): number {
  const parsed = retentionSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  const issues = issuesOf(parsed.error).map((issue) => ({ ...issue, path: 'ESCAPEMENT_LEDGER_RETENTION' }));
  throw new InvalidInputError('settings', issues);
}

/** Temporal's own settings, as its CLI reads them (TEMPORAL_ADDRESS, TEMPORAL_PROFILE, its TOML file, …). */
function temporalConfig(options: ConfigOptions, env: NodeJS.ProcessEnv) {
  try {
    const overrideEnvVars = Object.fromEntries(
      Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    return loadClientConnectConfig({
      overrideEnvVars,
      ...(options.profile !== undefined && { profile: options.profile }),
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new InvalidInputError('Temporal configuration', [{ path: 'profile', message }], { cause: error });
  }
}
