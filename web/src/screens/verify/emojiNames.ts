import type { Language } from "../../strings";

// The 64 emoji of "SAS method: emoji" by their English names, as the SDK gives them.
// https://spec.matrix.org/v1.19/client-server-api/#sas-method-emoji
const names: Partial<Record<Language, Record<string, string>>> = {
    ru: {
        dog: "Собака", cat: "Кошка", lion: "Лев", horse: "Лошадь", unicorn: "Единорог", pig: "Свинья", elephant: "Слон", rabbit: "Кролик",
        panda: "Панда", rooster: "Петух", penguin: "Пингвин", turtle: "Черепаха", fish: "Рыба", octopus: "Осьминог", butterfly: "Бабочка", flower: "Цветок",
        tree: "Дерево", cactus: "Кактус", mushroom: "Гриб", globe: "Глобус", moon: "Луна", cloud: "Облако", fire: "Огонь", banana: "Банан",
        apple: "Яблоко", strawberry: "Клубника", corn: "Кукуруза", pizza: "Пицца", cake: "Торт", heart: "Сердце", smiley: "Улыбка", robot: "Робот",
        hat: "Шляпа", glasses: "Очки", spanner: "Гаечный ключ", santa: "Дед Мороз", "thumbs up": "Большой палец", umbrella: "Зонт", hourglass: "Песочные часы", clock: "Часы",
        gift: "Подарок", "light bulb": "Лампочка", book: "Книга", pencil: "Карандаш", paperclip: "Скрепка", scissors: "Ножницы", lock: "Замок", key: "Ключ",
        hammer: "Молоток", telephone: "Телефон", flag: "Флаг", train: "Поезд", bicycle: "Велосипед", aeroplane: "Самолёт", rocket: "Ракета", trophy: "Кубок",
        ball: "Мяч", guitar: "Гитара", trumpet: "Труба", bell: "Колокол", anchor: "Якорь", headphones: "Наушники", folder: "Папка", pin: "Булавка",
    },
};

export function emojiName(english: string, language: Language): string {
    return names[language]?.[english.toLowerCase()] ?? english;
}
