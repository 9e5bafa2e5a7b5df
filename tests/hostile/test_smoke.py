def test_smoke(house, game, victim):
    print(house.log)
    game.done("hello")
    print(game.lines(), game.folder)
