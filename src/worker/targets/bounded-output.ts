/**
 * Keeps the beginning and the end of a stream of any length in bounded space. Used by the `command`
 * target: what failed is at the end, what it was about to do at the beginning. Pure, but for its state.
 */

/**
 * Bytes kept of either end. Two streams of twice this, each byte at worst three in UTF-8 or two as an
 * escape in JSON, stay below the 256 KB a result may have.
 */
export const OUTPUT_END_BYTES = 16 * 1024;

export class BoundedOutput {
  readonly #endBytes: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer = Buffer.alloc(0);
  #cutBytes = 0;

  constructor(endBytes: number = OUTPUT_END_BYTES) {
    this.#endBytes = endBytes;
  }

  push(chunk: Buffer): void {
    const forHead = chunk.subarray(0, this.#endBytes - this.#headBytes);
    if (forHead.length > 0) {
      // A copy: a slice would keep the whole chunk in memory.
      this.#head.push(Buffer.from(forHead));
      this.#headBytes += forHead.length;
    }
    const rest = chunk.subarray(forHead.length);
    if (rest.length === 0) return;
    const joined = Buffer.concat([this.#tail, rest.subarray(-this.#endBytes)]);
    this.#cutBytes += this.#tail.length + rest.length;
    this.#tail = Buffer.from(joined.subarray(-this.#endBytes));
    this.#cutBytes -= this.#tail.length;
  }

  /** What was kept; a marker stands for what was cut. Control characters other than tab and line ends are shown as U+FFFD. */
  text(): string {
    const marker = this.#cutBytes === 0 ? '' : `\n… ${this.#cutBytes} bytes cut …\n`;
    const parts =
      this.#cutBytes === 0
        ? [Buffer.concat([...this.#head, this.#tail]).toString('utf8')]
        : [Buffer.concat(this.#head).toString('utf8'), marker, this.#tail.toString('utf8')];
    return parts.join('').replaceAll(CONTROL, '\uFFFD');
  }
}

/** Each would be six characters in JSON. */
const CONTROL = /[^\P{Cc}\t\n\r]/gu;
