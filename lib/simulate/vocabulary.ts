/**
 * What simulated people write.
 *
 * @module
 */

/** A language tag and sentences in it, all of them JSON-safe as they stand. */
export interface Language {
  readonly tag: string;
  readonly sentences: readonly string[];
}

/** Languages in the order of how much is written in them; generated posts take the first half more often. */
export const LANGUAGES: readonly Language[] = [
  {
    tag: "en",
    sentences: [
      "Good morning from a very foggy harbour.",
      "I finally finished the book that everybody talked about last year, and I have questions.",
      "Does anybody know a quiet café near the station?",
      "The new release fixes the bug that woke me up on Saturday night.",
      "My cat has decided that the keyboard is hers now 😼",
      "Three hours of meetings and nobody could say what we decided.",
      "Look at this sky!",
      "The bread came out better than I had hoped.",
      "Honestly, this is the best gig I have been to since 2019.",
      "Trains are late again, so I am reading old posts.",
      "Thank you all for the kind words, it means a lot.",
      "If you write tests first you find out early what you did not understand.",
    ],
  },
  {
    tag: "ja",
    sentences: [
      "おはようございます。今日はとても寒いですね。",
      "新しいカメラを買いました📷",
      "駅前のラーメン屋さんがおいしかった。",
      "週末は友達と山に登る予定です。",
      "猫がずっと膝の上で寝ている。",
      "締め切りまであと二日、がんばります。",
      "この曲を聴くと夏を思い出す。",
      "電車が遅れているみたい。",
    ],
  },
  {
    tag: "pt",
    sentences: [
      "Bom dia, gente! Hoje tem sol e café.",
      "Alguém mais acha que a semana passou rápido demais?",
      "Acabei de ver um filme maravilhoso, recomendo muito.",
      "O jogo de ontem foi uma vergonha 😅",
      "Saudade de viajar sem pressa.",
      "Minha avó fez bolo de milho e não sobrou nada.",
    ],
  },
  {
    tag: "de",
    sentences: [
      "Guten Morgen aus dem Nieselregen.",
      "Die Bahn fällt heute schon wieder aus, schöne Grüße vom Bahnsteig.",
      "Ich habe endlich das Fahrrad repariert!",
      "Wer hat Lust auf Spieleabend am Freitag?",
      "Der Kuchen ist gelungen, die Küche leider nicht mehr.",
      "Heute gelernt: Igel können schwimmen.",
    ],
  },
  {
    tag: "es",
    sentences: [
      "Buenos días a todos menos a mi despertador.",
      "¿Qué libro estáis leyendo este mes?",
      "Por fin viernes, hoy toca concierto 🎶",
      "He visto un zorro en el parque y casi me muero de la emoción.",
      "La cena salió riquísima.",
    ],
  },
  {
    tag: "fr",
    sentences: [
      "Bonjour à toutes et à tous, le soleil est enfin là.",
      "Je cherche une bonne série pour ce week-end.",
      "Le marché sentait la fraise et le basilic ce matin.",
      "Encore une réunion qui aurait pu être un courriel.",
    ],
  },
  {
    tag: "ko",
    sentences: [
      "오늘 날씨가 정말 좋네요.",
      "점심으로 뭐 먹을지 고민 중이에요.",
      "새 앨범 너무 좋다 🎧",
      "내일은 꼭 일찍 일어나야지.",
    ],
  },
  {
    tag: "tr",
    sentences: [
      "Günaydın, çay demlendi.",
      "Bugün deniz çok güzeldi.",
      "Yeni dizinin son bölümünü izleyen var mı?",
      "İstanbul trafiği yine kilit.",
    ],
  },
];

/** Hashtags, without the sign; ASCII, so that a facet's byte positions are plain lengths. */
export const TAGS: readonly string[] = ["photography", "caturday", "NowPlaying", "gamedev", "birds", "sketchbook"];

/** Parts of handles and links. */
export const NAMES: readonly string[] = [
  "amber",
  "birch",
  "cedar",
  "delta",
  "ember",
  "fjord",
  "grove",
  "heron",
  "iris",
  "juniper",
];

/** Titles of linked pages, JSON-safe. */
export const TITLES: readonly string[] = [
  "Why the tide is late this year",
  "Forty recipes for one pan",
  "An interview with the last lighthouse keeper",
  "What we learned from a year of outages",
  "Night trains are back, and they are full",
];
