export {
  calibrationBins,
  classF1,
  confidenceBin,
  confusionOf,
  expectedCalibrationError,
  scoreLogits,
} from '@ferment/statistics';
