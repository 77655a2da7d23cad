// Package deploy serves applications side by side from one configuration file in the style of Paste Deploy: where the server
// listens, where sessions are kept, which applications there are, where they are mounted, and how each keeps its sessions.
// docs/config.md has all keys.
//
// A [Loader] knows the program's applications and filters by name, and makes a [Site] of a file: it opens the stores, builds
// the managers and the applications, and closes them in the end. All that is wrong with the file is found at once, as
// [Mistakes] with file and line, before anything listens. [Live] is a site that takes up changes of its file without dropping a
// request. [Server] serves it within limits, and stops without cutting requests off:
//
//	loader := deploy.NewLoader()
//	loader.App("blog", newBlog)
//	live, err := deploy.NewLive(ctx, loader, deploy.FromFile("apps.ini"), nil)
//	server := deploy.NewServer(live.Site().Server(), live, log)
//	listener, err := server.Listen(ctx)
//	go live.ReloadOn(ctx, hangups) // os/signal.Notify(hangups, syscall.SIGHUP)
//	err = server.Serve(ctx, listener)
//	err = live.Close(ctx)
//
// A site is an http.Handler. To put Echo around it, give NewLive a function that makes the whole handler.
//
// # An application
//
// A factory asks its [Section] for sessions and for the options of its own, and returns the application:
//
//	func newBlog(s *deploy.Section) (compat.Application, error) {
//		if _, err := s.Sessions(core.Config{Locking: core.Serialized}, compat.SessionsConfig{}); err != nil {
//			return nil, err
//		}
//		return &blog{title: s.Title(), perPage: s.Int("per_page", 10, 1)}, nil
//	}
//
// What it gives to Sessions holds where the file says nothing. The application then finds its session by Environ.Session or, if it
// is an http.Handler that [FromHandler] made an application, by compat.FromContext. A factory is called anew with each reload, and
// Section.OnClose tells when its application is no longer used. For links to other hosts, Section.Handover returns what takes the
// session along; the site puts it around the application, and closes it.
//
// # An adapter's factory
//
// An adapter has one function that makes factories, in a file deploy.go, as webkit.Deploy does. It takes what the program says
// (the adapter's own Config, a core.Config, and a function that adds the pages), and its factory goes these steps. The order is
// free, but every option should be asked for before anything can fail, so that all mistakes are found at once:
//
//  1. s.Prefix, if the adapter has to know the path that leads to it. It is a mistake then to mount it at two.
//  2. s.Switches("quirks", &cfg.Quirks). All fields of Quirks are bool.
//  3. Legacy options: s.Legacy or s.LegacyValues with each name that the framework had, refused ones too, for their explanation, and
//     with the options of docs/config.md that say the same: both at once are refused. Report a wrong value by s.Mistake(name, ...),
//     which knows the line, and leave it out. If the framework's names can not be listed, s.Rest has what nobody asked for; ask for
//     it last.
//  4. s.Manager(base), with what the legacy options say in base. It asks for locking, timeouts and so on, which go before.
//  5. Sessions. If the adapter uses a compat.Sessions as it is, s.Sessions does this step and the one before. If it makes its own,
//     pass its SessionsConfig through s.Cookie, and hand the result to s.Carries: it is made available to the application, other
//     sections can use it, and its cookie is compared with theirs.
//  6. s.ErrorPage, if the adapter has error pages of its own.
//  7. The application, and the program's pages in it. The program's function gets the Section too, for options of its own.
//
// Errors that are ErrReported are passed on as they are. Others are shown at the section's first line.
//
// Add the adapter's legacy names to docs/config.md, and a test with a file that has each of them right and wrong.
package deploy
