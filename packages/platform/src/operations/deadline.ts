/**
 * The answer, where it comes in time. What was asked goes on in vain otherwise: it must be harmless.
 *
 * @throws Error after so many seconds without one, or what `ask` throws
 */
export async function answerWithin<T>(seconds: number, ask: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    clearTimeout(timer);
  }
}
