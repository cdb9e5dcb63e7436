/**
 * The log of a process that stays: JSON lines on stderr for machines, plain lines where a person looks at a terminal.
 * Used by the server commands. Temporal's SDK logs through it too, from warnings on, and is told to leave the
 * operating system's signals to us.
 */
import { type LogLevel, type LogMetadata, type Logger } from '@temporalio/common';
import { makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { pino, stdSerializers, stdTimeFunctions } from 'pino';
import { messageOf } from './failure.ts';

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** @param file gets JSON lines instead of stderr, for commands that talk to a person */
export function createLog(file?: string): Logger {
  if (file === undefined && process.stderr.isTTY) return loggerOf(writePlain);
  const base = pino(
    {
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { error: stdSerializers.err },
    },
    // Synchronous: the last lines before an exit are the ones that matter.
    pino.destination({ dest: file ?? 2, sync: true }),
  );
  return loggerOf((level, message, meta) => base[level](meta, message));
}

/** Once in a process, before anything of Temporal's worker package is used. */
export function installRuntime(log: Logger): void {
  Runtime.install({
    logger: warningsOf(log),
    // Its own handlers would stop a worker at once, before it has drained.
    shutdownSignals: [],
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} },
    },
  });
}

type Write = (level: Level, message: string, meta: LogMetadata) => void;

const LEVELS: Readonly<Record<LogLevel, Level>> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

function loggerOf(write: Write): Logger {
  const at =
    (level: Level) =>
    (message: string, meta: LogMetadata = {}) =>
      write(level, message, meta);
  return {
    log: (level, message, meta = {}) => write(LEVELS[level], message, meta),
    trace: () => undefined,
    debug: () => undefined,
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}

function warningsOf(log: Logger): Logger {
  const nothing = () => undefined;
  return {
    ...log,
    log: (level, message, meta) => {
      if (level === 'WARN' || level === 'ERROR') log.log(level, message, meta);
    },
    trace: nothing,
    debug: nothing,
    info: nothing,
  };
}

/** `03:12:45 warn  message: cause`; the rest of what is known is for machines. */
function writePlain(level: Level, message: string, meta: LogMetadata): void {
  const error: unknown = meta['error'];
  const cause = error === undefined ? '' : `: ${messageOf(error)}`;
  const time = new Date().toISOString().slice(11, 19);
  process.stderr.write(`${time} ${level.padEnd(5)} ${message}${cause}\n`);
}
