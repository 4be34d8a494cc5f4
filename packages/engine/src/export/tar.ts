const block = 512;

/** A header of POSIX ustar: fields at fixed places, numbers in octal, the rest zeros. */
function header(path: string, size: number, folder: boolean): Uint8Array {
  const bytes = new Uint8Array(block);
  const write = (at: number, text: string) => bytes.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
  if (new TextEncoder().encode(path).length > 100)
    throw new RangeError(`${path}: expected 100 bytes at most`);
  write(0, path);
  write(100, octal(folder ? 0o755 : 0o644, 7)); // mode
  write(108, octal(0, 7)); // user
  write(116, octal(0, 7)); // group
  write(124, octal(size, 11));
  write(136, octal(0, 11)); // time
  write(148, ' '.repeat(8)); // the checksum counts its own field as spaces
  write(156, folder ? '5' : '0');
  write(257, 'ustar\0' + '00');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  write(148, `${octal(sum, 6)}\0 `);
  return bytes;
}

/**
 * A tar archive (ustar) of files in memory, in the given order. Owner, time and mode are fixed: equal files give equal
 * bytes.
 *
 * @param files bytes by path; a path that ends in `/` is a folder
 */
export function tarOf(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const parts = Object.entries(files).flatMap(([path, bytes]) => [
    header(path, bytes.length, path.endsWith('/')),
    bytes,
    new Uint8Array((block - (bytes.length % block)) % block),
  ]);
  // An archive ends with two empty blocks.
  return Uint8Array.from(Buffer.concat([...parts, new Uint8Array(2 * block)]));
}
