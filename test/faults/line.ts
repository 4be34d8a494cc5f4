/** A TCP line from one process to a server that a test can cut and slow down. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Line {
  private readonly sockets = new Set<Socket>();
  private refusing = false;
  private delay = 0;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** Leads a free port of the loopback interface to another one. */
  static async open(target: number): Promise<Line> {
    const server = createServer();
    await new Promise<void>((done, failed) =>
      server.once('error', failed).listen(0, '127.0.0.1', () => done()),
    );
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP address');
    const line = new Line(server, address.port);
    server.on('connection', (near) => line.connect(near, target));
    return line;
  }

  private connect(near: Socket, target: number): void {
    near.on('error', () => undefined);
    if (this.refusing) {
      near.destroy();
      return;
    }
    const far = connect({ port: target, host: '127.0.0.1' });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(from);
      // In order, since every chunk waits equally long; a change of the delay meanwhile must not let one overtake.
      let last = Promise.resolve();
      from.on('data', (data) => {
        const wait = this.delay;
        last = last.then(() => later(wait)).then(() => void (to.destroyed || to.write(data)));
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        void last.then(() => to.end());
      });
    }
  }

  /** Breaks every connection and refuses new ones, until {@link mend}. */
  cut(): void {
    this.refusing = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Everything takes so much longer, each way. */
  slow(milliseconds: number): void {
    this.delay = milliseconds;
  }

  mend(): void {
    this.refusing = false;
    this.delay = 0;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((done) => this.server.close(done));
  }
}

function later(milliseconds: number): Promise<void> {
  return milliseconds === 0 ? Promise.resolve() : new Promise((done) => setTimeout(done, milliseconds));
}
