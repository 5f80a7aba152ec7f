package setup

// texts is every word on the pages, in one language.
type texts struct {
	Tagline string

	FormTitle, FormIntro             string
	Name, NameHint                   string
	Password, PasswordHint           string // the hint has a place for the least number of characters
	Again, Submit                    string
	Insecure                         string
	NameBad, Taken, Weak, NotTheSame string

	DoneTitle, DoneIntro string
	ClosedTitle, Closed  string
	ClosedNext           string

	HomeTitle, HomeIntro string
	First                string

	Connect             string
	Step1, Step2, Step3 string
	YourName            string
	Invite, InviteHint  string
	Private             string
}

var english = texts{
	Tagline: "Your own Matrix server",

	FormTitle:    "Create the administrator’s account",
	FormIntro:    "This is the first account of your server. It can be used like any other, and it can manage the server.",
	Name:         "User name",
	NameHint:     "Small letters, digits, dots, hyphens and underscores. It cannot be changed later.",
	Password:     "Password",
	PasswordHint: "At least %d characters. A few unrelated words are easy to remember and hard to guess.",
	Again:        "Password, once more",
	Submit:       "Create account",
	Insecure:     "This page reached you unencrypted: others on the network could read the password. If you can, open the link on the server’s own machine or through an HTTPS proxy.",
	NameBad:      "This user name cannot be used. Please take small letters, digits, dots, hyphens and underscores only.",
	Taken:        "There is an account with this name already.",
	Weak:         "This password is too short.",
	NotTheSame:   "The two passwords differ. Please type them again.",

	DoneTitle:   "Your account is ready",
	DoneIntro:   "You are the administrator of this server. This page will not open again.",
	ClosedTitle: "This link does not work",
	Closed:      "It has been used, or the server has been started again since, or there is an account already.",
	ClosedNext:  "Without any account, the server prints a new link each time it starts. On the server’s machine, this makes an account at any time:",

	HomeTitle: "A Matrix homeserver lives here",
	HomeIntro: "It keeps the messages and rooms of its people on their own machine. Any Matrix client can connect to it.",
	First:     "There is no account yet. The server has printed a link for the first one where it was started.",

	Connect:    "Connect a client",
	Step1:      "Install a Matrix client: Element on phones and computers, Fractal on Linux, or any other.",
	Step2:      "Choose to sign in, change the homeserver, and enter:",
	Step3:      "Sign in with your user name and password.",
	YourName:   "Your address",
	Invite:     "Invite others",
	InviteHint: "This makes a registration token to give to somebody, on the server’s machine:",
	Private:    "What is written in encrypted rooms can be read by the people in them only. This server cannot read it.",
}

var russian = texts{
	Tagline: "Ваш собственный сервер Matrix",

	FormTitle:    "Учётная запись администратора",
	FormIntro:    "Это первая учётная запись на вашем сервере. Ею можно пользоваться как обычной, и она управляет сервером.",
	Name:         "Имя пользователя",
	NameHint:     "Строчные латинские буквы, цифры, точка, дефис и подчёркивание. Позже изменить его нельзя.",
	Password:     "Пароль",
	PasswordHint: "Не меньше %d знаков. Несколько не связанных между собой слов легко запомнить и трудно угадать.",
	Again:        "Пароль ещё раз",
	Submit:       "Создать учётную запись",
	Insecure:     "Эта страница пришла по незашифрованному соединению: пароль могут прочитать другие в сети. Если возможно, откройте ссылку на самом сервере или через прокси с HTTPS.",
	NameBad:      "Такое имя не подходит. Используйте только строчные латинские буквы, цифры, точку, дефис и подчёркивание.",
	Taken:        "Учётная запись с таким именем уже есть.",
	Weak:         "Пароль слишком короткий.",
	NotTheSame:   "Пароли не совпадают. Введите их ещё раз.",

	DoneTitle:   "Учётная запись создана",
	DoneIntro:   "Вы — администратор этого сервера. Больше эта страница не откроется.",
	ClosedTitle: "Ссылка не действует",
	Closed:      "Она уже использована, сервер с тех пор перезапускали или учётная запись уже есть.",
	ClosedNext:  "Пока учётных записей нет, сервер печатает новую ссылку при каждом запуске. На самом сервере учётную запись можно создать в любое время:",

	HomeTitle: "Здесь живёт сервер Matrix",
	HomeIntro: "Он хранит сообщения и комнаты своих пользователей на их собственной машине. Подключиться можно любым клиентом Matrix.",
	First:     "Учётных записей пока нет. Ссылку для первой сервер напечатал там, где его запустили.",

	Connect:    "Как подключиться",
	Step1:      "Установите клиент Matrix: Element для телефона и компьютера, Fractal для Linux или любой другой.",
	Step2:      "Нажмите «Войти», смените домашний сервер и введите адрес:",
	Step3:      "Войдите со своим именем пользователя и паролем.",
	YourName:   "Ваш адрес",
	Invite:     "Пригласите других",
	InviteHint: "Эта команда на сервере создаёт приглашение (токен регистрации), которое можно передать другому человеку:",
	Private:    "Написанное в зашифрованных комнатах могут прочитать только их участники. Этот сервер прочитать его не может.",
}

// Of gives the text of a problem.
func (t *texts) Of(p problem) string {
	switch p {
	case badName:
		return t.NameBad
	case taken:
		return t.Taken
	case weak:
		return t.Weak
	case notTheSame:
		return t.NotTheSame
	}
	return ""
}
