/** The seven classes in FER2013's order; an index into this list is a class id everywhere. */
export const emotions = ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'] as const;
export type Emotion = (typeof emotions)[number];
