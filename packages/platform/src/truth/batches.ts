interface Waiting<In, Out> {
  call: In;
  resolve(answer: Out): void;
  reject(error: unknown): void;
}

/**
 * Does in one go what is asked for side by side: a call begins at once, those that come while it is under way wait and
 * go together into the next. Nothing is held back to make a batch larger. Of a batch that fails each call is done
 * alone, so that one which cannot be done fails for itself.
 */
export class Batches<In, Out> {
  private waiting: Waiting<In, Out>[] = [];
  private working = false;

  /**
   * @param work answers in the order of its calls; must have no effect where it fails
   * @param most calls of one batch
   */
  constructor(
    private readonly work: (calls: readonly In[]) => Promise<readonly Out[]>,
    private readonly most = 100,
  ) {}

  add(call: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ call, resolve, reject });
      void this.drain();
    });
  }

  private async drain(): Promise<void> {
    if (this.working) return;
    this.working = true;
    while (this.waiting.length > 0) await this.together(this.waiting.splice(0, this.most));
    this.working = false;
  }

  private async together(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const answers = await this.work(batch.map(({ call }) => call));
      for (const [place, { resolve }] of batch.entries()) resolve(answers[place] as Out);
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      // Side by side: where the database is away they need not wait for each other to find out.
      else await Promise.all(batch.map((one) => this.together([one])));
    }
  }
}
