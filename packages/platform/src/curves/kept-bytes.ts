/** Things that were expensive to read, as far as they fit: the least recently used go first. What is in it never changes. */
export class KeptBytes {
  private readonly entries = new Map<string, { value: unknown; bytes: number }>();
  private size = 0;

  constructor(private readonly limit: number) {}

  peek<T>(key: string): T | undefined {
    const entry = this.entries.get(key);
    if (!entry) return undefined;
    // To the end: a Map keeps the order in which keys were set.
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value as T;
  }

  put(key: string, value: unknown, bytes: number): void {
    this.drop(key);
    if (bytes > this.limit) return;
    this.entries.set(key, { value, bytes });
    this.size += bytes;
    for (const oldest of this.entries.keys()) {
      if (this.size <= this.limit) return;
      this.drop(oldest);
    }
  }

  async get<T>(key: string, make: () => Promise<{ value: T; bytes: number }>): Promise<T> {
    const known = this.peek<T>(key);
    if (known !== undefined) return known;
    const { value, bytes } = await make();
    this.put(key, value, bytes);
    return value;
  }

  private drop(key: string): void {
    this.size -= this.entries.get(key)?.bytes ?? 0;
    this.entries.delete(key);
  }
}
