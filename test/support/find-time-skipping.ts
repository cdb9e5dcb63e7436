/**
 * Gets Temporal's time-skipping test server onto this machine. Called by the provisioner, once for a run.
 * Promise: works from nothing wherever the SDK can download it, or Maven and Java are present; one clear error
 * that names both ways otherwise.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isProgram, programOnPath } from '../../src/embedded/program-path.ts';
import { cacheFolder, withCacheLock } from '../../src/embedded/temporal-cache.ts';
import { downloadBySdk, sdkDownloadFile } from '../../src/embedded/temporal-download.ts';

const run = promisify(execFile);

const VERSION = '1.38.0';
const MAVEN_TIMEOUT_MS = 600_000;

/**
 * The path of a program that is the time-skipping server.
 * @throws Error that names both ways and why they failed
 */
export async function findTimeSkippingServer(
  env: NodeJS.ProcessEnv,
  onProgress: (line: string) => void,
): Promise<string> {
  const folder = await cacheFolder(env);
  const fromMaven = join(folder, `temporal-test-server-${VERSION}`);
  const program = join(fromMaven, 'run');
  for (const path of [sdkDownloadFile({ program: 'time-skipping', folder }), program]) {
    if (await isProgram(path)) return path;
  }
  const onWait = () => onProgress('waiting for another process that fetches the time-skipping test server');
  return withCacheLock(`${fromMaven}.lock`, onWait, async () => {
    if (await isProgram(program)) return program;
    onProgress('fetching the time-skipping test server, once');
    const download = downloadBySdk({ program: 'time-skipping', folder });
    return download.catch(async (refused: unknown) => {
      await fetchByMaven(fromMaven, env).catch((failed: unknown) => {
        const reasons = `- by the Temporal SDK: ${String(refused)}\n- by Maven: ${String(failed)}`;
        throw new Error(`the time-skipping test server cannot be had; tried\n${reasons}`);
      });
      return program;
    });
  });
}

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>escapement</groupId><artifactId>time-skipping-server</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${VERSION}</version>
    </dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;

/** Compiling little and collecting simply makes it start fast. The loop ends it when a killed test run cannot. */
const LAUNCHER = `#!/bin/sh
owner=$PPID
(while kill -0 "$owner" && kill -0 $$; do sleep 1; done; kill -KILL $$) >/dev/null 2>&1 &
exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`;

async function fetchByMaven(folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const [mvn, java] = await Promise.all([programOnPath('mvn', env), programOnPath('java', env)]);
  if (mvn === undefined || java === undefined) throw new Error('`mvn` and `java` must both be on PATH');
  const partial = `${folder}.${process.pid}.partial`;
  await mkdir(partial, { recursive: true });
  try {
    await writeFile(join(partial, 'pom.xml'), POM);
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
    const args = ['--batch-mode', '--quiet', goal, '-DoutputDirectory=lib', '-DincludeScope=runtime'];
    await run(mvn, args, { cwd: partial, env, timeout: MAVEN_TIMEOUT_MS });
    await writeFile(join(partial, 'run'), LAUNCHER);
    await chmod(join(partial, 'run'), 0o755);
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
