// What is trained side by side: the same networks, batches and optimizer in every program. `kind`: `train` is forward,
// backward and update; `eadd` has three frozen teachers besides, `pgd` an attack of ten steps before each update.
const sgd = { batch: 64, size: 48, channels: 3, kind: 'train' };
const imagenet = (name) => ({ name, stem: 'imagenet', width: 1 });

/** By name; `steps` are timed in one turn, after three that are not. */
export const workloads = {
  vgg: { ...sgd, channels: 1, model: { name: 'vgg', width: 1, dropout: 0 }, steps: 20 },
  hybrid: {
    ...sgd,
    channels: 1,
    model: { name: 'hybrid', width: 1, dropout: 0, transformer: true, depth: [2, 2] },
    steps: 12,
  },
  'mobilenetv3-imagenet-stem': {
    ...sgd,
    model: { ...imagenet('mobilenetv3-large'), dropout: 0.2 },
    steps: 12,
  },
  'mobilenetv3-112px': {
    ...sgd,
    batch: 32,
    size: 112,
    model: { ...imagenet('mobilenetv3-large'), dropout: 0.2 },
    steps: 8,
  },
  'resnet18-imagenet-stem': { ...sgd, model: imagenet('resnet18'), steps: 8 },
  'resnet18-small-stem': { ...sgd, model: { name: 'resnet18', stem: 'small', width: 1 }, steps: 2 },
  'efficientnet-b3': {
    ...sgd,
    batch: 32,
    model: { ...imagenet('efficientnet-b3'), dropout: 0.3, stochasticDepth: 0.2 },
    steps: 5,
  },
  'convnext-tiny': {
    ...sgd,
    batch: 32,
    size: 64,
    model: { ...imagenet('convnext-tiny'), stochasticDepth: 0.1 },
    steps: 3,
  },
  resemotenet: {
    ...sgd,
    batch: 16,
    size: 64,
    model: {
      name: 'resemotenet',
      width: 1,
      squeeze: true,
      withoutConvolutions: 0,
      withoutResiduals: 0,
      convolutionDropout: 0.2,
      dropout: 0.5,
    },
    steps: 3,
  },
  eadd: {
    ...sgd,
    kind: 'eadd',
    channels: 1,
    model: { name: 'hybrid', width: 1, dropout: 0, transformer: true, depth: [2, 2] },
    teachers: [
      imagenet('resnet18'),
      { ...imagenet('mobilenetv3-large'), dropout: 0.2 },
      { ...imagenet('efficientnet-b3'), dropout: 0.3, stochasticDepth: 0.2 },
    ],
    steps: 6,
  },
  pgd: { ...sgd, kind: 'pgd', channels: 1, model: { name: 'vgg', width: 1, dropout: 0 }, steps: 3 },
};

/** The workload of this name. */
export function workloadOf(name) {
  const workload = workloads[name];
  if (!workload) throw new Error(`no workload ${name}: expected one of ${Object.keys(workloads).join(', ')}`);
  return { name, ...workload };
}
